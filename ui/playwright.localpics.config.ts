import { defineConfig } from '@playwright/test';
import journeys from './playwright.config';
const { webServer: _, projects: __, ...rest } = journeys;
export default defineConfig({ ...rest, workers: 1, testDir: 'tests/pictures', testMatch: '*.ts' });
