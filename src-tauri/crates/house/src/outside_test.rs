//! Whether the addresses outside lead to this house, as far as somebody outside has tried.

#[cfg(feature = "reach")]
mod asking;

use serambi_protocol::{Code, outside_test::OutsideAnswered};

#[cfg(feature = "reach")]
pub use asking::{Asker, keep_tested};

/// What came of trying one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideTest {
    /// Nobody has tried. The code, if there is one, says why a gate did not.
    NotTested(Option<Code>),
    /// The house answered.
    Answered(OutsideAnswered),
    /// It did not: `outside_closed`, `outside_not_the_one`.
    Failed(Code),
}

/// An address at which a router or a cloud is said to pass the house's ports on, or which is public itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `host:port`, as a link names it.
    pub address: String,
    /// A name, or an address without brackets.
    pub host: String,
    /// Of signalling and API.
    pub tcp: u16,
    /// Of media; none: another server carries it.
    pub udp: Option<u16>,
}

/// What came of each address that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideTests(Vec<(String, OutsideTest)>);

impl OutsideTests {
    /// Of this `host:port`.
    pub fn of(&self, address: &str) -> OutsideTest {
        let tested = self.0.iter().find(|(tested, _)| tested == address);
        tested.map_or(OutsideTest::NotTested(None), |(_, test)| *test)
    }

    /// Is it known that this `host:port` does not lead here? Then nobody is sent there.
    pub fn refute(&self, address: &str) -> bool {
        matches!(self.of(address), OutsideTest::Failed(_))
    }

    /// Has every address been tried, and each leads here?
    #[cfg(feature = "reach")]
    fn are_good(&self) -> bool {
        self.0.iter().all(|(_, test)| matches!(test, OutsideTest::Answered(_)))
    }
}

impl FromIterator<(String, OutsideTest)> for OutsideTests {
    fn from_iter<T: IntoIterator<Item = (String, OutsideTest)>>(tests: T) -> Self {
        Self(tests.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_an_address_that_failed_and_what_was_not_tested_is_believed() {
        let at = |address: &str, test| (address.to_owned(), test);
        let tests: OutsideTests = [
            at("203.0.113.7:1", OutsideTest::Failed(Code::OutsideClosed)),
            at("203.0.113.7:2", OutsideTest::NotTested(Some(Code::OutsideElsewhere))),
            at("203.0.113.7:3", OutsideTest::Answered(OutsideAnswered { ms: 7, udp: Some(false) })),
        ]
        .into_iter()
        .collect();
        let refuted = [1, 2, 3, 4].map(|port| tests.refute(&format!("203.0.113.7:{port}")));
        assert_eq!(refuted, [true, false, false, false]);
        assert_eq!(tests.of("203.0.113.7:4"), OutsideTest::NotTested(None));
    }
}
