import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/**
 * `vite build` makes the app's pages; `--mode browser` the same for a plain browser, to be served by a house;
 * `--mode fixtures` pages that show committed states, for looks and pictures.
 */
export default defineConfig(({ mode }) => ({
  plugins: [svelte({ configFile: join(import.meta.dirname, 'svelte.config.js') }), svelteTesting()],
  root: mode === 'fixtures' ? 'tests/fixtures' : '.',
  build: {
    outDir: mode === 'browser' ? 'dist-browser' : mode === 'fixtures' ? '../../dist-fixtures' : 'dist',
    emptyOutDir: true,
    // WebKitGTK 2.40 and macOS 13 are the oldest windows we open.
    target: ['es2022', 'safari16'],
    assetsInlineLimit: 0,
  },
  // `SERAMBI_HOUSE=http://127.0.0.1:7410 npm run dev` shows that house.
  server: {
    port: 5173,
    strictPort: true,
    proxy: { '/api': { target: process.env['SERAMBI_HOUSE'] ?? 'http://127.0.0.1:7410', ws: true } },
  },
  // The looks are taken under the shell's rules for pages, without its leave for inline styles.
  preview: {
    headers: {
      'Content-Security-Policy':
        "default-src 'self'; connect-src 'none'; img-src 'self' data:; style-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'",
    },
  },
  test: {
    environment: 'jsdom',
    include: ['tests/unit/**/*.test.ts'],
    setupFiles: ['tests/unit/setup.ts'],
    restoreMocks: true,
    env: { DEBUG_PRINT_LIMIT: '0' },
    // Axe in jsdom is slow on a busy machine; nothing here measures time.
    testTimeout: 30_000,
  },
}));
