import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** KaTeX's style sheet names three formats of every font; every browser we support reads woff2. */
function woff2Only(): Plugin {
  return {
    name: 'woff2-only',
    enforce: 'pre',
    transform(code, id) {
      if (!/katex(\.min)?\.css/.test(id)) return null
      return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'][^"']*["']\)/g, '')
    },
  }
}

export default defineConfig({
  base: './',
  resolve: {
    alias: { entities: fileURLToPath(new URL('src/lib/markdown/entities.ts', import.meta.url)) },
  },
  plugins: [woff2Only(), vue()],
  // Neither the page nor its libraries use Vue's options API.
  define: { __VUE_OPTIONS_API__: 'false' },
  build: {
    outDir: '../server/hub/page',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    // Not needed: there are few modules, and they are loaded late on purpose.
    modulePreload: { polyfill: false },
  },
  test: {
    // Tests that need a document name jsdom in their first line: starting one takes a second.
    environment: 'node',
    setupFiles: ['tests/setup.ts'],
    pool: 'threads',
    // Files share modules and document within a thread, which halves the time of the whole run.
    // tests/setup.ts resets what tests leave behind.
    isolate: false,
    include: ['tests/**/*.test.ts'],
    restoreMocks: true,
    // Inlined, so that the alias of `entities` also holds in tests.
    server: { deps: { inline: ['markdown-it'] } },
  },
})
