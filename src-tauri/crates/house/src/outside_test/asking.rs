//! Asks a gate to go to the house's addresses outside, and again whenever they, or the gate, change.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use serambi_protocol::{
    Code, Refusal,
    link::{GateLink, Pin},
    outside_test::{OutsideAnswered, Probe, TEST_PATH, TestOutside},
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{Claim, OutsideTest, OutsideTests};
use crate::{entrance::Entrance, media::embedded::Embedded, reached::Reached};

/// How often it is looked whether addresses or gates are others.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// What is open is tried again this much later: routers forget.
const AGAIN_WHEN_OPEN: Duration = Duration::from_secs(600);
/// What is not: somebody may have opened it since.
const AGAIN_WHEN_NOT: Duration = Duration::from_secs(60);
/// How long a gate may take to answer; it gives up after 4 s itself.
const QUESTION_LIMIT: Duration = Duration::from_secs(6);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES: usize = 4_096;

/// Who asks for this house.
pub struct Asker {
    /// The house's.
    pub pin: Pin,
    /// What sends probes back.
    pub embedded: Option<Embedded>,
}

/// Keeps `told` right until `stop`.
pub async fn keep_tested(
    asker: Asker,
    reached: Reached,
    entrance: Entrance,
    told: watch::Sender<OutsideTests>,
    stop: CancellationToken,
) {
    let testing = follow(asker, reached, entrance, told);
    stop.run_until_cancelled(testing).await;
}

async fn follow(asker: Asker, reached: Reached, entrance: Entrance, told: watch::Sender<OutsideTests>) {
    let mut looks = interval(LOOK_AGAIN);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tested: Option<(Vec<Claim>, GateLink)> = None;
    let mut due = Instant::now();
    loop {
        looks.tick().await;
        let claims = reached.claims(asker.embedded.as_ref().map(Embedded::udp_port));
        let is_known = tested.as_ref().is_some_and(|(tested, _)| *tested == claims);
        let Some(gate) = entrance.connected_gate() else {
            // A gate that is away for a moment has said what it has said.
            if !is_known || !entrance.has_gates() {
                tested = None;
                tell(&told, OutsideTests::default());
            }
            continue;
        };
        let now = (claims, gate);
        if tested.as_ref() == Some(&now) && Instant::now() < due {
            continue;
        }
        let tests = asker.test_all(&now.0, &now.1).await;
        due = Instant::now() + if tests.are_good() { AGAIN_WHEN_OPEN } else { AGAIN_WHEN_NOT };
        tested = Some(now);
        tell(&told, tests);
    }
}

fn tell(told: &watch::Sender<OutsideTests>, tests: OutsideTests) {
    told.send_if_modified(|told| {
        let is_news = *told != tests;
        *told = tests;
        is_news
    });
}

impl Asker {
    /// One after the other: a gate tests one address of a house at a time.
    async fn test_all(&self, claims: &[Claim], gate: &GateLink) -> OutsideTests {
        let mut tests = Vec::new();
        for claim in claims {
            let test = read(self.test(claim, gate).await);
            tracing::info!(address = claim.address, ?test, "an address outside");
            tests.push((claim.address.clone(), test));
        }
        tests.into_iter().collect()
    }

    async fn test(&self, claim: &Claim, gate: &GateLink) -> Result<OutsideAnswered, Refusal> {
        let probe = Probe::new(rand::random());
        let question = TestOutside {
            host: claim.host.clone(),
            tcp: claim.tcp,
            udp: claim.udp,
            pin: self.pin.clone(),
            probe: probe.clone(),
        };
        self.expect(Some(probe.datagram()))?;
        let answer = ask_from_each(&question, gate).await;
        self.expect(None)?;
        answer
    }

    fn expect(&self, probe: Option<Vec<u8>>) -> Result<(), Refusal> {
        self.embedded.as_ref().map_or(Ok(()), |embedded| embedded.expect_probe(probe)).map_err(Refusal::from)
    }
}

/// Asks over the family of addresses that is to be tested: a gate goes only where the question came from. Of a name
/// that has both it is enough that one of them leads here.
async fn ask_from_each(question: &TestOutside, gate: &GateLink) -> Result<OutsideAnswered, Refusal> {
    let mut answer = Err(Refusal::from(Code::GateUnreachable));
    for from in sources(&question.host) {
        answer = match tokio::time::timeout(QUESTION_LIMIT, ask(question, gate, from)).await {
            Ok(Ok(answered)) => return Ok(answered),
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(Refusal::new(Code::GateUnreachable, "no answer")),
        };
    }
    answer
}

/// A name may mean addresses of both families, as a rule of IPv4 at least: what is said of those counts.
fn sources(host: &str) -> Vec<IpAddr> {
    let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => vec![v4],
        Ok(IpAddr::V6(_)) => vec![v6],
        Err(_) => vec![v6, v4],
    }
}

async fn ask(question: &TestOutside, gate: &GateLink, from: IpAddr) -> Result<OutsideAnswered, Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::new(Code::GateUnreachable, error.to_string());
    let at = &gate.gate;
    let host = at.address.rsplit_once(':').map_or(at.address.as_str(), |(host, _)| host);
    let tls = serambi_reach::tls_to(host.trim_matches(['[', ']']), at.pin.as_ref()).map_err(|error| failed(&error))?;
    let http = reqwest::Client::builder().use_preconfigured_tls(tls).no_proxy().local_address(from);
    let http = http.build().map_err(|error| failed(&error))?;
    let request = http.post(format!("https://{}{TEST_PATH}", at.address)).bearer_auth(&gate.token).json(question);
    let mut response = request.send().await.map_err(|error| failed(&error.without_url()))?;
    let is_answer = response.status().is_success();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| failed(&error.without_url()))? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES {
            return Err(failed(&"too long an answer"));
        }
    }
    if is_answer {
        return serde_json::from_slice(&body).map_err(|error| failed(&error));
    }
    Err(serde_json::from_slice(&body).unwrap_or_else(|error| failed(&error)))
}

/// What an answer says about the address. A gate that cannot or will not try says nothing about it.
fn read(answer: Result<OutsideAnswered, Refusal>) -> OutsideTest {
    match answer {
        Ok(answered) => OutsideTest::Answered(answered),
        Err(refusal) => match refusal.code {
            code @ (Code::OutsideClosed | Code::OutsideNotTheOne) => OutsideTest::Failed(code),
            Code::OutsideElsewhere => OutsideTest::NotTested(Some(Code::OutsideElsewhere)),
            code => {
                tracing::debug!(%code, detail = refusal.detail, "the gate did not try an address outside");
                OutsideTest::NotTested(None)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gate_that_went_there_says_that_an_address_does_not_lead_here() {
        let refused = |code: Code| read(Err(Refusal::from(code)));
        assert_eq!(refused(Code::OutsideClosed), OutsideTest::Failed(Code::OutsideClosed));
        assert_eq!(refused(Code::OutsideNotTheOne), OutsideTest::Failed(Code::OutsideNotTheOne));
        assert_eq!(refused(Code::OutsideElsewhere), OutsideTest::NotTested(Some(Code::OutsideElsewhere)));
        // An older gate has no such path.
        for code in [Code::BadRequest, Code::GateRefused, Code::Busy, Code::RateLimited, Code::GateUnreachable] {
            assert_eq!(refused(code), OutsideTest::NotTested(None), "{code}");
        }
    }
}
