import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

/** `vite build` makes the app's pages; `vite build --mode fake` the same ones over the fake house, for a plain browser. */
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), svelteTesting()],
  build: {
    outDir: mode === 'fake' ? 'dist-fake' : 'dist',
    // WebKitGTK 2.40 and macOS 13 are the oldest windows we open.
    target: ['es2022', 'safari16'],
    assetsInlineLimit: 0,
  },
  server: { port: 5173, strictPort: true },
  // The journeys run under the shell's rules for pages, without its leave for inline styles.
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
    // Axe in jsdom is slow on a busy machine; nothing here measures time.
    testTimeout: 30_000,
  },
}));
