import { defineConfig } from '@playwright/test';

const PORT = 5199;

/**
 * In a real browser: windows over committed states, and journeys through a real house (`cargo build -p serambi-house`
 * first). The system's Chromium is used; nothing is downloaded.
 */
export default defineConfig({
  testDir: 'tests/browser',
  outputDir: 'test-results',
  workers: 2,
  fullyParallel: true,
  retries: 0,
  // Every size of a window in one test: slow on a busy machine, and nothing here measures time.
  timeout: 180_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  use: {
    baseURL: `http://127.0.0.1:${PORT}`,
    locale: 'en-GB',
    launchOptions: {
      executablePath: process.env['SERAMBI_CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--font-render-hinting=none'],
    },
  },
  projects: [
    { name: 'windows', testMatch: ['window.spec.ts', 'looks.spec.ts'] },
    { name: 'journeys', testMatch: 'journeys.spec.ts' },
  ],
  webServer: {
    command: `npm run build:browser && npm run build:fixtures && npx vite preview --mode fixtures --host 127.0.0.1 --port ${PORT} --strictPort`,
    url: `http://127.0.0.1:${PORT}`,
    reuseExistingServer: false,
    timeout: 120_000,
  },
});
