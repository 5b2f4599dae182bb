/** What the app tells in the wrong order: commands and events come from different threads. */
import { describe, expect, it } from 'vitest';
import { FakeBackend } from '../../src/backend/fake';
import type { Ears } from '../../src/backend/backend';
import { App } from '../../src/state/app.svelte';
import { settle } from './window';

class Overheard extends FakeBackend {
  ears!: Ears;

  override async listen(ears: Ears): Promise<void> {
    this.ears = ears;
    await super.listen(ears);
  }
}

async function opened() {
  const fake = new Overheard({ scenario: 'room-host' });
  const app = new App(fake);
  await app.open();
  await settle();
  return { fake, app };
}

describe('a snapshot that arrives late', () => {
  // The list of houses that was read before the room was left used to bring the room back.
  it('of the app leaves the call alone', async () => {
    const { fake, app } = await opened();
    const late = fake.view();
    fake.ears.callChanged({ revision: late.revision + 10, call: null });
    fake.ears.appChanged({ ...late, revision: late.revision + 11 });
    expect(app.call).toBeNull();
  });

  it('of the call does not bring back a room that was left', async () => {
    const { fake, app } = await opened();
    const { revision, call } = fake.view();
    fake.ears.callChanged({ revision: revision + 10, call: null });
    fake.ears.callChanged({ revision: revision + 9, call });
    expect(app.call).toBeNull();
  });

  it('of the app does not undo a setting', async () => {
    const { fake, app } = await opened();
    const view = fake.view();
    fake.ears.appChanged({ ...view, revision: view.revision + 10, theme: 'dark' });
    fake.ears.appChanged({ ...view, revision: view.revision + 9, theme: 'light' });
    expect(app.view?.theme).toBe('dark');
  });
});
