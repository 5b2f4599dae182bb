import { defineConfig } from '@playwright/test';

const PORT = 5199;

/** Journeys in a real browser over the fake house. The system's Chromium is used; nothing is downloaded. */
export default defineConfig({
  testDir: 'tests/browser',
  outputDir: 'test-results',
  workers: 2,
  fullyParallel: true,
  retries: 0,
  timeout: 30_000,
  reporter: [['list']],
  use: {
    baseURL: `http://127.0.0.1:${PORT}`,
    locale: 'en-GB',
    launchOptions: {
      executablePath: process.env['SERAMBI_CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--font-render-hinting=none'],
    },
  },
  webServer: {
    command: `npm run build:fake && npx vite preview --outDir dist-fake --host 127.0.0.1 --port ${PORT} --strictPort`,
    url: `http://127.0.0.1:${PORT}`,
    reuseExistingServer: false,
    timeout: 120_000,
  },
});
