//! Writing in the chat, taking back what one wrote, and removing what somebody wrote.

use serambi_protocol::{
    Act, Code, PersonId, Refusal, RoomSwitch,
    chat::{ChatEvent, ChatMessage, MessageId},
    name::read_message,
    view::{Role, RoomTime},
};

use super::{Room, refuse_unless};
use crate::outcome::Outcome;

impl Room {
    pub(super) fn say(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        text: &str,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        if let Some(code) = self.why_no_chat() {
            return Err(code.into());
        }
        let text = read_message(text)?;
        if let Some(wait_ms) = self.chat.wait_ms(now, actor) {
            return Err(Refusal::from(Code::ChatTooFast).again_in_ms(wait_ms));
        }
        let message = self.chat.say(now, actor, self.name_of(actor), text);
        out.chat.push(ChatEvent::Said { message });
        Ok(())
    }

    /// Of what one wrote oneself nothing is left; where a moderator removes something, that stands there.
    pub(super) fn delete_message(
        &mut self,
        actor: &PersonId,
        role: Role,
        id: MessageId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let message = self.chat.find(id).ok_or(Code::MessageGone)?;
        if message.person == *actor {
            self.chat.take_back(id);
            out.chat.push(ChatEvent::TakenBack { id });
        } else {
            refuse_unless(role, role, Act::RemoveMessages)?;
            self.chat.remove(id);
            out.chat.push(ChatEvent::Removed { id });
        }
        Ok(())
    }

    /// Why nobody can write now; none: the chat is on.
    pub(crate) fn why_no_chat(&self) -> Option<Code> {
        self.switches.is_on(RoomSwitch::ChatOff).then_some(Code::ChatOff)
    }

    /// What somebody who comes in reads of what was written before: the last messages, oldest first. None while nobody
    /// has written anything.
    pub fn chat_so_far(&self) -> Option<Vec<ChatMessage>> {
        (!self.chat.is_untouched()).then(|| self.chat.newest())
    }
}
