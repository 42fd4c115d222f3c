import prettier from 'eslint-config-prettier'
import vue from 'eslint-plugin-vue'
import { defineConfig, globalIgnores } from 'eslint/config'
import ts from 'typescript-eslint'

/** Imports go one way: components → composables → stores → api; markdown, locales and text are leaves. */
const layers = {
  api: ['stores', 'composables', 'components', 'markdown', 'locales'],
  stores: ['composables', 'components', 'markdown'],
  composables: ['components'],
  markdown: ['api', 'stores', 'composables', 'components', 'locales'],
  text: ['api', 'stores', 'composables', 'components', 'markdown', 'locales'],
  difference: ['api', 'stores', 'composables', 'components', 'locales'],
}

const boundaries = Object.entries(layers).map(([layer, forbidden]) => ({
  files: [`src/${layer}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          { group: forbidden.map((name) => `**/${name}/**`), message: `Not from ${layer}.` },
          ...(['api', 'markdown', 'text', 'difference'].includes(layer)
            ? [{ group: ['vue', 'pinia'], message: `${layer} knows no Vue.` }]
            : []),
        ],
      },
    ],
  },
}))

export default defineConfig(
  globalIgnores(['src/api/types.ts']),
  ts.configs.recommended,
  vue.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      'no-undef': 'off',
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
      'vue/multi-word-component-names': 'error',
      'vue/no-v-html': 'error',
    },
  },
  ...boundaries,
  prettier,
)
