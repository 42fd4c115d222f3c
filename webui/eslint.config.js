import prettier from 'eslint-config-prettier'
import vue from 'eslint-plugin-vue'
import { defineConfig, globalIgnores } from 'eslint/config'
import ts from 'typescript-eslint'
import { layers } from './eslint.layers.js'

export default defineConfig(
  globalIgnores(['src/api/types.ts']),
  ts.configs.recommended,
  vue.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    files: ['src/**'],
    plugins: { chatzoo: { rules: { layers } } },
    rules: { 'chatzoo/layers': 'error' },
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
  prettier,
)
