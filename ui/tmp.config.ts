import journeys from './playwright.config';
const PORT = 5271;
export default { ...journeys, projects: undefined, testDir: 'tests/pictures', testMatch: '*.ts', use: { ...journeys.use, baseURL: `http://127.0.0.1:${PORT}` },
  webServer: { command: `npm run build:fixtures && npx vite preview --mode fixtures --host 127.0.0.1 --port ${PORT} --strictPort`, url: `http://127.0.0.1:${PORT}`, reuseExistingServer: false, timeout: 120_000 } };
