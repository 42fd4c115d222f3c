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
  // Neither the page nor its libraries write components with options.
  define: { __VUE_OPTIONS_API__: 'false' },
  build: {
    outDir: '../server/hub/page',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    // A relative preload polyfill is not needed: modules are few and lazily loaded on purpose.
    modulePreload: { polyfill: false },
  },
  test: {
    // Tests that need a document say so; starting one costs a second each.
    environment: 'node',
    setupFiles: ['tests/setup.ts'],
    pool: 'threads',
    include: ['tests/**/*.test.ts'],
    restoreMocks: true,
    // The tests are to use our stand-in for `entities` as well.
    server: { deps: { inline: ['markdown-it'] } },
  },
})
