import { Linter } from 'eslint'
import vue from 'eslint-plugin-vue'
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import ts from 'typescript-eslint'
import { expect, it } from 'vitest'
// @ts-expect-error: a module of the ESLint configuration, without types
import { layers } from '../eslint.layers.js'

const plugins = { chatzoo: { rules: { layers } } }
const rules = { 'chatzoo/layers': 'error' as const }

/** The messages of the rule for a file of src/ with this code. */
function problems(file: string, code: string): string[] {
  const config = [
    ...vue.configs['flat/base'],
    { files: ['**/*.vue'], languageOptions: { parserOptions: { parser: ts.parser } } },
    { files: ['**/*.ts'], languageOptions: { parser: ts.parser as Linter.Parser } },
    { files: ['**/*.vue', '**/*.ts'], plugins, rules },
  ]
  const linter = new Linter({ cwd: resolve('.') })
  return linter
    .verify(code, config, { filename: resolve('src', file) })
    .map(({ message }) => message)
}

it('permits features to import lower layers', () => {
  expect(problems('features/panes/X.ts', "import '../workers/workersStore'")).toEqual([])
  expect(problems('features/panes/X.ts', "import '../../ui/IconButton.vue'")).toEqual([])
  expect(problems('App.vue', "<script setup>import './features/panes/X.vue'</script>")).toEqual([])
})

it.each([
  ['features/workers/X.ts', "import '../panes/usePaneActions'"],
  ['features/workers/X.ts', "export * from '../panes/usePaneActions'"],
  ['features/workers/X.ts', "const x = () => import('../panes/usePaneActions')"],
  ['features/workers/X.ts', "type X = typeof import('../panes/usePaneActions')"],
  ['features/workers/X.vue', "<script setup>import '../panes/ChatPane.vue'</script>"],
  ['ui/X.vue', "<script setup>import '../features/arena/arenaStore'</script>"],
  ['ui/X.vue', "<script setup>import '../api/wire'</script>"],
  ['conversation/export/x.ts', "import '../../features/sessions/sessionStore'"],
  ['lib/markdown/x.ts', "import '../diff/words'"],
  ['lib/markdown/x.ts', "import { ref } from 'vue'"],
  ['conversation/x.ts', "import { defineStore } from 'pinia'"],
  ['features/panes/x.ts', "import '../../App.vue'"],
])('refuses in %s: %s', (file, code) => {
  expect(problems(file, code)).toHaveLength(1)
})

it('contains every folder of src, and refuses another one', () => {
  expect(problems('features/voices/x.ts', '')).toEqual([
    'features/voices is not in the table of eslint.layers.js.',
  ])
  for (const entry of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (entry.endsWith('.ts')) expect(problems(entry, ''), entry).toEqual([])
  }
})
