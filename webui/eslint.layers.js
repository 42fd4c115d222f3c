/**
 * The layers of the page and which of them each may import, as an ESLint rule.
 *
 * Every file below src/ belongs to exactly one layer: a folder of this table, or the page itself
 * (App.vue and main.ts), which may import everything. A file of a folder that the table lacks is an
 * error, so a new folder has to be given its place here.
 */
import { dirname, relative, resolve, sep } from 'node:path'

const SRC = resolve(import.meta.dirname, 'src')

/** Folder of src/ → the other folders that it may import. */
const FOUNDATIONS = {
  'lib/text': [],
  'lib/browser': [],
  'lib/diff': [],
  'lib/markdown': ['lib/text'],
  api: ['lib/text'],
  conversation: ['api', 'lib/text'],
  locales: [],
  styles: [],
  ui: ['locales', 'lib/text', 'lib/browser'],
}

/** A feature may import all foundations and the features before it in this list. */
const FEATURES = [
  'preferences',
  'arena',
  'workers',
  'chat',
  'sessions',
  'comparison',
  'presets',
  'settings',
  'turns',
  'summary',
  'panes',
  'shortcuts',
  'shell',
].map((name) => `features/${name}`)

/** Folders that know neither Vue nor Pinia. */
const WITHOUT_VUE = /^(?:lib\/|api$|conversation$)/

const ALLOWED = new Map([
  ...Object.entries(FOUNDATIONS),
  ...FEATURES.map((name, index) => [
    name,
    [...Object.keys(FOUNDATIONS), ...FEATURES.slice(0, index)],
  ]),
])

/** The layer of a file; null for the page itself and for files outside of src/. */
function layerOf(file) {
  const parts = relative(SRC, file).split(sep)
  if (parts[0] === '..' || parts.length === 1) return null
  return ['lib', 'features'].includes(parts[0]) ? `${parts[0]}/${parts[1]}` : parts[0]
}

function problemOf(file, source) {
  const layer = layerOf(file)
  if (layer === null) return null
  if (!source.startsWith('.')) {
    const isVue = /^(?:vue|pinia)(?:\/|$)/.test(source)
    return isVue && WITHOUT_VUE.test(layer) ? `${layer} must not import ${source}.` : null
  }
  const target = resolve(dirname(file), source)
  const other = layerOf(target)
  if (other === null) return `${layer} must not import the page itself (${source}).`
  if (other === layer || ALLOWED.get(layer)?.includes(other)) return null
  return `${layer} must not import ${other}; see eslint.layers.js.`
}

export const layers = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = context.filename
    const check = (node) => {
      const source = node?.source?.value
      const message = typeof source === 'string' && problemOf(file, source)
      if (message) context.report({ node, message })
    }
    return {
      Program(node) {
        const layer = layerOf(file)
        if (layer !== null && !ALLOWED.has(layer)) {
          context.report({ node, message: `${layer} is not in the table of eslint.layers.js.` })
        }
      },
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      TSImportType: check,
    }
  },
}
