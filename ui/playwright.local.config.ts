import { defineConfig } from '@playwright/test';
import journeys from './playwright.config';
const { webServer: _, ...rest } = journeys;
export default defineConfig({ ...rest, workers: 1 });
