// Hand-written first version of what will be generated from Rust (same names, same shapes). Will be overwritten.
import { invoke, type Channel } from "@tauri-apps/api/core";
import { listen, type EventCallback, type UnlistenFn } from "@tauri-apps/api/event";

export type Result<T> = { status: "ok"; data: T } | { status: "error"; error: Refusal };

// ---- protocol (src-tauri/crates/protocol/src: see there for the meaning of each field)
export type PersonId = string;
export type RoomId = string;
export type RoomTime = number; // ms since the room was started
export type Role = "host" | "moderator" | "speaker" | "listener";
export type HandScope = "off" | "followed" | "everyone";
export type InvitationState = "open" | "later" | "noAnswer";
export type PersonView = { id: PersonId; name: string; role: Role; muted: boolean; away: boolean; hand: boolean };
export type HandView = { person: PersonId; name: string; raisedAt: RoomTime };
export type HandsView = { scope: HandScope; count: number; queue: HandView[] };
export type InvitedView = { person: PersonId; name: string; state: InvitationState };
export type InvitationView = { by: string; answersHand: boolean; until: RoomTime };
export type YouView = {
  id: PersonId; role: Role; muted: boolean; place: number | null; handBlockedUntil: RoomTime | null;
  invitation: InvitationView | null; successor: string | null;
};
export type RoomView = {
  id: RoomId; title: string; host: string; now: RoomTime; you: YouView; stage: PersonView[]; audience: PersonView[];
  listeners: number; stageLimit: number; hands: HandsView; invitations: InvitedView[]; endsAt: RoomTime | null;
};
export type CardPerson = { id: PersonId; name: string };
export type RoomCard = { id: RoomId; title: string; host: string; stage: CardPerson[]; listeners: number };
export type ClosedReason = "left" | "ended" | "removed" | "lost" | "replaced";
export type Notice =
  | { type: "handRaised"; name: string; count: number }
  | { type: "invited"; by: string } | { type: "yourTurn" } | { type: "invitationCancelled" }
  | { type: "saidLater"; name: string } | { type: "noAnswer"; name: string } | { type: "stageFull" }
  | { type: "onStage" } | { type: "joinedStage"; name: string } | { type: "handDismissed" }
  | { type: "mutedBy"; by: string } | { type: "movedToAudience" } | { type: "youAreModerator" }
  | { type: "youAreNotModerator" } | { type: "youAreHost" } | { type: "newHost"; name: string };
export type Command =
  | { type: "raiseHand" } | { type: "lowerHand" } | { type: "acceptInvitation" } | { type: "declineInvitation" }
  | { type: "setMuted"; muted: boolean } | { type: "moveToAudience"; person: PersonId | null }
  | { type: "invite"; person: PersonId } | { type: "cancelInvitation"; person: PersonId }
  | { type: "dismissHand"; person: PersonId } | { type: "lowerAllHands" } | { type: "setHandScope"; scope: HandScope }
  | { type: "mute"; person: PersonId } | { type: "muteEveryone" } | { type: "makeModerator"; person: PersonId }
  | { type: "takeModerator"; person: PersonId } | { type: "handOver"; person: PersonId }
  | { type: "remove"; person: PersonId; block: boolean } | { type: "leave" } | { type: "endRoom" };
export type Code =
  | "bad_request" | "name_empty" | "name_too_long" | "name_unreadable" | "title_too_long" | "title_unreadable"
  | "challenge_expired" | "signature_wrong" | "session_expired" | "not_allowed" | "blocked" | "room_not_found"
  | "room_ended" | "person_not_here" | "not_in_room" | "on_stage_elsewhere" | "not_on_stage" | "already_on_stage"
  | "hands_off" | "hands_followed_only" | "hand_too_soon" | "hand_not_up" | "invitation_gone" | "already_invited"
  | "invite_too_soon" | "stage_full" | "last_moderator" | "rate_limited" | "house_unreachable" | "house_not_the_one"
  | "connection_lost" | "media_failed" | "token_wrong_room" | "link_wrong" | "no_microphone" | "microphone_refused"
  | "microphone_busy" | "microphone_failed" | "no_loudspeaker" | "loudspeaker_failed" | "port_taken"
  | "profile_in_use" | "profile_broken" | "no_call" | "internal";
export type Refusal = { code: Code; detail: string };

// ---- call
export type Connection = "connected" | "reconnecting" | "lost";
export type MicrophoneView = { open: boolean; muted: boolean; problem: Code | null };
export type CallView = {
  room: RoomView; link: string; connection: Connection; microphone: MicrophoneView; loudspeakerProblem: Code | null;
};

// ---- shell
export type Language = "en" | "id" | "zh";
export type Theme = "system" | "light" | "dark";
/** A room somewhere: in my own house, on this network, or in a saved house. `house` is the house's pin. */
export type FoundRoom = { house: string; houseName: string; mine: boolean; card: RoomCard };
/** `rooms` null: the house does not answer right now. */
export type SavedHouse = { pin: string; name: string; link: string; rooms: RoomCard[] | null };
/** `searching`: nothing heard from the network yet, still in the first seconds. */
export type HomeView = { found: FoundRoom[]; saved: SavedHouse[]; searching: boolean; discoveryProblem: Code | null };
export type AppView = {
  profile: string | null; version: string; name: string | null; you: PersonId; language: Language | null; theme: Theme;
  /** A problem at start that does not stop the app, e.g. port taken (house moved to another port) or settings set aside. */
  problem: Refusal | null;
  home: HomeView; call: CallView | null;
  /** A serambi:// link the app was started with; to be shown, never joined without a click. */
  openedLink: string | null;
};
/** Loudness of what is heard now, dBFS (-90..0); own microphone (also while muted; null: closed). Only audible people are listed. 20 times a second while the window is visible. */
export type LevelBatch = { own: number | null; people: [PersonId, number][] };

/** Events, as generated: events.appChanged.listen(...) etc. */
export type AppChanged = AppView;
export type CallChanged = CallView | null;
export type Noticed = Notice;
export type CallClosed = ClosedReason;
export type Problem = Refusal;
export type CloseAsked = { people: number; rooms: number };

async function ask<T>(command: string, args?: Record<string, unknown>): Promise<Result<T>> {
  try {
    return { status: "ok", data: await invoke<T>(command, args) };
  } catch (error) {
    if (error instanceof Error) throw error;
    return { status: "error", error: error as Refusal };
  }
}

/** Commands, as generated: commands.openApp() etc. */
export const commands = {
  openApp: () => ask<AppView>("open_app"),
  setName: (name: string) => ask<null>("set_name", { name }),
  setLanguage: (language: Language) => ask<null>("set_language", { language }),
  setTheme: (theme: Theme) => ask<null>("set_theme", { theme }),
  startRoom: (title: string, leaveOther: boolean) => ask<null>("start_room", { title, leaveOther }),
  joinRoom: (house: string, room: RoomId, leaveOther: boolean) => ask<null>("join_room", { house, room, leaveOther }),
  joinLink: (link: string, leaveOther: boolean) => ask<null>("join_link", { link, leaveOther }),
  /** What can be seen before joining. A link without a room gives the house and its rooms. */
  lookAtLink: (link: string) => ask<FoundRoom[]>("look_at_link", { link }),
  saveHouse: (link: string) => ask<null>("save_house", { link }),
  forgetHouse: (pin: string) => ask<null>("forget_house", { pin }),
  command: (command: Command) => ask<null>("command", { command }),
  acceptInvitation: () => ask<null>("accept_invitation"),
  setMuted: (muted: boolean) => ask<null>("set_muted", { muted }),
  leave: () => ask<null>("leave"),
  endRoom: () => ask<null>("end_room"),
  /** Starts the stream of levels; ends with the call or the page. */
  hearLevels: (levels: Channel<LevelBatch>) => ask<null>("hear_levels", { levels }),
  /** After closeAsked: close for good. */
  closeWindow: () => ask<null>("close_window"),
};

function event<T>(name: string): { listen: (hear: EventCallback<T>) => Promise<UnlistenFn> } {
  return { listen: (hear) => listen<T>(name, hear) };
}

export const events = {
  appChanged: event<AppChanged>("app-changed"),
  callChanged: event<CallChanged>("call-changed"),
  noticed: event<Noticed>("noticed"),
  callClosed: event<CallClosed>("call-closed"),
  problem: event<Problem>("problem"),
  closeAsked: event<CloseAsked>("close-asked"),
};
