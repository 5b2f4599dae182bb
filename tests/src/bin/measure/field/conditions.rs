//! The six networks.

use serambi_tests::path_condition::{BURST_SLOT, Condition, Jitter, Loss};

/// Chosen once, before anything was measured with it.
pub const SEED: u64 = 4;

/// A network with its name on the command line and in the table.
pub struct Named {
    pub name: &'static str,
    pub title: &'static str,
    pub condition: Condition,
}

const BURST_MEAN_SLOTS: f64 = 3.0;

/// Most delays are small and some are large, as on a wireless link: the upper half of a normal distribution.
const JITTER: Jitter = Jitter { mean_ms: 0.0, deviation_ms: 30.0, limits_ms: (0.0, 120.0) };

/// From harmless to hopeless.
pub const ALL: [Named; 6] = [
    lossy("clean", "clean", Loss::None),
    lossy("random-10", "10 % random loss", Loss::Random { share: 0.1 }),
    lossy("random-20", "20 % random loss", Loss::Random { share: 0.2 }),
    lossy("bursts-20", "20 % loss in bursts of 3", Loss::Bursts { share: 0.2, mean_slots: BURST_MEAN_SLOTS }),
    lossy("random-40", "40 % random loss", Loss::Random { share: 0.4 }),
    Named { name: "jitter-30", title: "30 ms jitter", condition: Condition { loss: Loss::None, jitter: Some(JITTER) } },
];

const fn lossy(name: &'static str, title: &'static str, loss: Loss) -> Named {
    Named { name, title, condition: Condition { loss, jitter: None } }
}

/// What the table's words mean.
pub fn explained() -> String {
    let Jitter { mean_ms, deviation_ms, limits_ms: (least, most) } = JITTER;
    format!(
        "\nTen utterances of two synthesizers, the same for all, from one virtual sound card to another; mouth to ear \
         is the median over half seconds of speech (5–95 %), cards included, without those that fit nowhere or in \
         two places; PESQ-WB and STOI are means of ten (lowest). One path between two network namespaces, from who \
         talks (with their house or server) to who listens; every UDP datagram in both directions meets its fate once \
         the call is up, by seed {SEED}. Random: each datagram for itself. Bursts: Gilbert's model in slots of {} ms, \
         {BURST_MEAN_SLOTS} slots in the mean. Jitter: each datagram for itself is late by a normal distribution \
         around {mean_ms} ms with {deviation_ms} ms deviation, of which only {least} to {most} ms is drawn; they \
         overtake each other. Bit rates are of one voice on its way to one listener, counted before anything is lost, \
         while somebody talks: from the first to the last sound of each utterance, with the pauses in it and without \
         the silence before and after. Opus payload: the Opus packets with the redundancy inside them, without the \
         RTP header, its extensions and the SRTP tag, or Mumble's encryption and header; what is sent again counts \
         again. IP: every IP packet in that direction, headers, reports, keep-alives and TCP included. Mumble and \
         Chromium are as a person gets them, but Mumble transmits all the time and Chromium's echo, noise and gain \
         processing is off. Where the right is there, all that is measured has the processor before other programs \
         (SCHED_RR) once the call is up.\n",
        BURST_SLOT.as_millis()
    )
}
