import { defineConfig } from '@playwright/test';
import { guestTone } from './tests/browser/wave';

const PORT = 5199;
const CHROMIUM = process.env['SERAMBI_CHROMIUM'] ?? '/usr/bin/chromium';
const ARGUMENTS = ['--no-sandbox', '--font-render-hinting=none'];
/** It picks up a tone, and nobody is asked for it. */
const FAKE_MICROPHONE = [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  `--use-file-for-fake-audio-capture=${guestTone()}`,
];

/**
 * In a real browser: windows over committed states, and journeys through a real house (`cargo build -p serambi-house`
 * first; the sound also takes `serambi-peer`). The system's Chromium is used; nothing is downloaded.
 */
export default defineConfig({
  testDir: 'tests/browser',
  outputDir: 'test-results',
  workers: 2,
  fullyParallel: true,
  retries: 0,
  // Every size of a window in one test: slow on a busy machine, and nothing here measures time.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  use: {
    baseURL: `http://127.0.0.1:${PORT}`,
    locale: 'en-GB',
    launchOptions: {
      executablePath: CHROMIUM,
      args: ARGUMENTS,
    },
  },
  projects: [
    { name: 'windows', testMatch: ['window.spec.ts', 'looks.spec.ts'] },
    {
      name: 'journeys',
      testMatch: ['journeys.spec.ts', 'sound.spec.ts'],
      use: { launchOptions: { executablePath: CHROMIUM, args: [...ARGUMENTS, ...FAKE_MICROPHONE] } },
    },
  ],
  webServer: {
    command: `npm run build:browser && npm run build:fixtures && npx vite preview --mode fixtures --host 127.0.0.1 --port ${PORT} --strictPort`,
    url: `http://127.0.0.1:${PORT}`,
    reuseExistingServer: false,
    timeout: 120_000,
  },
});
