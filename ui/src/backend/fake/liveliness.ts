/** People who act by themselves: for `npm run dev`, where nobody plays them. */
import type { Command } from '../backend';
import type { FakeBackend } from '../fake';
import { ME } from './people';

/** Not in another room than the one it was meant for. */
function later(fake: FakeBackend, ms: number, act: () => void): void {
  const { room } = fake;
  setTimeout(() => fake.room === room && act(), ms);
}

/** A quiet evening begins: three people drop in, one of them raises a hand. */
export function dropIn(fake: FakeBackend): void {
  later(fake, 3_000, () => fake.arrive('Dewi Lestari'));
  later(fake, 5_000, () => fake.arrive('Jonas Weber', '李晓雨'));
  later(fake, 8_000, () => fake.guest('Dewi Lestari', { type: 'raiseHand' }));
}

/** Whoever is invited comes on stage and unmutes; a host invites a raised hand. */
export function reactTo(fake: FakeBackend, command: Command): void {
  const { room } = fake;
  const invited = command.type === 'invite' ? room?.guest(command.person) : undefined;
  if (invited?.invitation?.state === 'open') {
    later(fake, 1_500, () => fake.guest(invited.name, { type: 'acceptInvitation' }));
    later(fake, 3_000, () => fake.guest(invited.name, { type: 'setMuted', muted: false }));
  }
  const host = room?.stage[0];
  if (command.type === 'raiseHand' && host && host.id !== ME.id) {
    later(fake, 3_000, () => fake.guest(host.name, { type: 'invite', person: ME.id }));
  }
}
