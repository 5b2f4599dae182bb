/** The one dialog that is open. */
import type { Answer, CloseAsked, PersonId, PersonView } from '../backend/backend';

/** Goes into a room; `leaveOther`: also if that means leaving a stage. */
export type Entering = (leaveOther: boolean) => Answer;

export type Dialog =
  | { what: 'start'; title?: string }
  /** `at`: the section that somebody came for. */
  | { what: 'settings'; at?: 'reach' }
  /** `check`: for the sound check above all. `then`: what was being asked, and is asked again afterwards. */
  | { what: 'sound'; check?: boolean; then?: Dialog }
  | { what: 'share' }
  | { what: 'keys' }
  | { what: 'leave' }
  | { what: 'end' }
  | { what: 'handOver'; thenLeave: boolean; person?: PersonId }
  | { what: 'largeAudience' }
  | { what: 'remove'; person: PersonView }
  | { what: 'elsewhere'; enter: Entering }
  /** `leaveOther`: the person has agreed to leave a stage for this room. */
  | { what: 'door'; enter: Entering; leaveOther: boolean }
  | { what: 'addHouse' }
  | { what: 'house'; pin: string }
  | { what: 'link'; link: string; opened: boolean }
  | { what: 'close'; asked: CloseAsked };

const ABOUT_THE_ROOM: ReadonlySet<Dialog['what']> = new Set(['leave', 'end', 'handOver', 'largeAudience', 'remove', 'share']);

export class Dialogs {
  open = $state.raw<Dialog | null>(null);

  show(dialog: Dialog): void {
    this.open = dialog;
  }

  close(): void {
    this.open = null;
  }

  /** There is no room any more that could be asked about. */
  closeAboutRoom(): void {
    if (this.open && ABOUT_THE_ROOM.has(this.open.what)) this.close();
  }
}
