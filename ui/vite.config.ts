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
  test: {
    environment: 'jsdom',
    include: ['tests/unit/**/*.test.ts'],
    setupFiles: ['tests/unit/setup.ts'],
    restoreMocks: true,
  },
}));
