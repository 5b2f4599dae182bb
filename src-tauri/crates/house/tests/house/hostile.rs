//! Visitors who mean no good, or whose programs are broken.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomEvent, RoomSwitch,
    api::{HouseInfo, RoomCard, StartRoom},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::visitor::{LIMIT, TestHouse, Visitor};

async fn send(visitor: &Visitor, path: &str, body: Vec<u8>) -> (StatusCode, Refusal) {
    let url = format!("https://127.0.0.1:{}/api/v1/{path}", visitor.port);
    let request = visitor.http.request(Method::POST, url).bearer_auth(&visitor.session).body(body);
    let response = request.send().await.unwrap();
    (response.status(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_a_bad_request_in_every_route() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let room = sari.start("").await.view.room.id;
    for path in ["challenge", "session", "rooms", &format!("rooms/{room}/join"), &format!("rooms/{room}/commands")] {
        for body in [
            b"rubbish".to_vec(),
            b"{\"type\":".to_vec(),
            b"[1, 2, 3]".to_vec(),
            vec![0xff; 1_000],
            br#"{"type":"flyAway","person":7,"title":7,"leaveOther":"yes"}"#.to_vec(),
            b"[".repeat(60_000),
        ] {
            let (status, refusal) = send(&sari, path, body).await;
            assert_eq!((status.as_u16(), refusal.code), (400, Code::BadRequest), "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_refused() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let (status, refusal) = send(&sari, "rooms", vec![b' '; 1_000_000]).await;
    assert_eq!((status.as_u16(), refusal.code), (400, Code::BadRequest));
}

#[tokio::test]
async fn a_title_of_ten_thousand_characters_or_with_control_characters_starts_no_room() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    for (title, expected) in [("x".repeat(10_000), Code::TitleTooLong), ("a\u{0}b".into(), Code::TitleUnreadable)] {
        let (_, refusal) =
            sari.post::<serde_json::Value>("rooms", &StartRoom { title, leave_other: false }).await.unwrap_err();
        assert_eq!(refusal.code, expected);
    }
    assert!(sari.get::<Vec<RoomCard>>("rooms").await.unwrap().is_empty());
}

#[tokio::test]
async fn who_is_not_in_the_room_can_wish_nothing_there() {
    let house = TestHouse::open().await;
    let room = house.visitor("Sari").await.start("").await.view.room.id;
    let wei = house.visitor("Wei").await;
    for command in [Command::RaiseHand, Command::EndRoom, Command::Leave, Command::SetMuted { muted: false }] {
        assert_eq!(wei.wish(&room, command).await.unwrap_err().1.code, Code::NotInRoom);
    }
    for path in ["media", "statistics"] {
        let method = if path == "media" { Method::POST } else { Method::GET };
        let refused = wei.ask::<serde_json::Value>(method, &format!("rooms/{room}/{path}"), &()).await;
        assert_eq!(refused.unwrap_err().1.code, Code::NotInRoom);
    }
}

#[tokio::test]
async fn a_key_that_is_no_point_on_the_curve_signs_nothing() {
    let house = TestHouse::open().await;
    let visitor = house.stranger("Nobody");
    let mut answer = visitor.answer_to(&visitor.challenge().await);
    let nobody = PersonId::from_key(&[0xff; 32]);
    let body = serde_json::json!({ "person": nobody });
    let challenge: serambi_protocol::api::Challenge = visitor.post("challenge", &body).await.unwrap();
    answer.person = nobody;
    answer.challenge = challenge.challenge;
    let (_, refusal) = visitor.post::<serde_json::Value>("session", &answer).await.unwrap_err();
    assert_eq!(refusal.code, Code::SignatureWrong);
}

#[tokio::test]
async fn somebody_who_asks_without_end_is_slowed_down_and_others_are_not() {
    let house = TestHouse::open().await;
    let (hasty, calm) = (house.visitor("Hasty").await, house.visitor("Calm").await);
    let room = calm.start("").await.view.room.id;
    let mut codes = Vec::new();
    while codes.len() < 400 && !codes.contains(&Code::RateLimited) {
        codes.push(hasty.wish(&room, Command::RaiseHand).await.unwrap_err().1.code);
    }
    assert!(codes.contains(&Code::RateLimited), "four hundred requests without a pause");
    calm.wish(&room, Command::EndRoom).await.unwrap();
}

#[tokio::test]
async fn silent_connections_keep_nobody_waiting() {
    let house = TestHouse::open().await;
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
        match number % 4 {
            0 => {}
            1 => stream.write_all(&[0x16]).await.unwrap(),
            2 => stream.write_all(b"GET /api/v1/ho").await.unwrap(),
            _ => stream
                .write_all(b"POST /api/v1/rooms HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n{")
                .await
                .unwrap(),
        }
        silent.push(stream);
    }
    house.stranger("").get::<HouseInfo>("house").await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn people_who_never_read_their_channel_keep_nobody_waiting_and_lose_no_more_than_they_can_ask_for_again() {
    let house = TestHouse::open().await;
    let mut host = house.visitor("Sari").await.open_room("").await;
    let mut deaf = Vec::new();
    for number in 0..20 {
        let visitor = house.visitor(&format!("Deaf {number}")).await;
        let joined = visitor.join(&host.room).await.unwrap();
        let channel = visitor.channel_with_buffer(joined.seq, 2_048).await;
        deaf.push((visitor, joined.seq, channel));
    }
    host.sees("all of them", |view| view.counts.listeners == 20).await;
    for round in 0..300 {
        let locked = round % 2 == 0;
        host.does(Command::SetSwitch { switch: RoomSwitch::Locked, on: locked }).await;
        host.sees("the lock", |view| view.room.switches.is_on(RoomSwitch::Locked) == locked).await;
        // Not more than a person may ask.
        house.house.clock().skip_ms(50);
        host.channel.ping().await;
    }
    let (visitor, seen, _channel) = deaf.remove(0);
    let mut again = visitor.channel(seen).await;
    // What happens just then may come before it.
    while !matches!(again.next().await.unwrap().event, RoomEvent::Opened { .. }) {}
}

#[tokio::test]
async fn rubbish_instead_of_http_or_tls_ends_that_connection_only() {
    let house = TestHouse::open().await;
    for rubbish in [b"\x16\x03\x01\xff\xffrubbish".repeat(100), b"\x00\x01\x02".repeat(1_000), vec![b'A'; 200_000]] {
        let mut stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
        // The house may hang up before all of it is written.
        let _ = stream.write_all(&rubbish).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap();
    }
    house.stranger("").get::<HouseInfo>("house").await.unwrap();
}

#[tokio::test]
async fn a_house_with_a_silent_visitor_closes_all_the_same() {
    let house = TestHouse::open().await;
    let _silent = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
    let visitor = house.visitor("Sari").await;
    let _channel = visitor.channel(0).await;
    assert!(tokio::time::timeout(Duration::from_secs(10), house.house.close()).await.is_ok());
}

/// An answer to a request that is written out by hand, over plain HTTP.
async fn plain(house: &TestHouse, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// Known failure: a page in somebody's browser could sign in, start, join and open `/rtc` (DNS rebinding).
#[tokio::test]
async fn a_web_page_of_another_origin_gets_nothing_from_the_house_on_this_computer() {
    let house = TestHouse::open().await;
    let routes = ["GET /api/v1/house", "POST /api/v1/challenge", "GET /rtc", "GET /rtc/validate", "OPTIONS /rtc"];
    let twirp = "POST /twirp/livekit.RoomService/ListRooms";
    for route in routes.into_iter().chain([twirp, "GET /nowhere"]) {
        for page in ["host: evil.example", "host: 127.0.0.1\r\norigin: http://evil.example", "x: no host"] {
            let request = format!("{route} HTTP/1.1\r\n{page}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let answer = plain(&house, &request).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{route} {page}: {answer}");
            assert!(answer.contains(r#""origin_refused""#), "{route} {page}: {answer}");
        }
    }
    let program = "GET /api/v1/house HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(plain(&house, program).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn over_tls_a_page_of_another_origin_opens_no_channel_and_one_of_the_house_does() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let own = format!("https://127.0.0.1:{}", house.house.port());
    for (origin, expected) in [("https://evil.example", 403), ("null", 403), (own.as_str(), 101)] {
        let url = format!("wss://127.0.0.1:{}/api/v1/events?session={}", house.house.port(), sari.session);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let status = match tokio_tungstenite::client_async(request, sari.tls().await).await {
            Ok((_, response)) => response.status(),
            Err(tungstenite::Error::Http(response)) => response.status(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status.as_u16(), expected, "{origin}");
    }
}

/// Known failure: the connection of a POST in two TLS records was dropped and its refusal lost with it.
#[tokio::test]
async fn a_refusal_is_heard_also_by_who_sends_the_body_later() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let body = format!(r#"{{"title":"{}"}}"#, "x".repeat(30_000));
    let mut stream = sari.tls().await;
    for _ in 0..3 {
        let head = "POST /api/v1/rooms HTTP/1.1\r\nhost: house\r\nauthorization: Bearer stale\r\n";
        stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // The house has the head alone; it must wait for the rest before it answers on a connection that lives on.
        tokio::task::yield_now().await;
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = vec![0; 4_096];
        let length = tokio::time::timeout(LIMIT, stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains("session_expired"), "{answer}");
    }
}

#[tokio::test]
async fn whoever_asks_too_much_is_told_when_to_come_back() {
    let house = TestHouse::open().await;
    let hasty = house.visitor("Hasty").await;
    for _ in 0..400 {
        let request = hasty.http.get(house.at("rooms/2222222222/statistics")).bearer_auth(&hasty.session);
        let response = request.send().await.unwrap();
        if response.status().as_u16() == 429 {
            let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
            return;
        }
    }
    panic!("four hundred requests without a pause");
}

/// Known failure: from one machine, 999 rooms in six seconds.
#[tokio::test]
async fn one_person_does_not_fill_the_house_with_rooms() {
    let house = TestHouse::open().await;
    let eager = house.visitor("Eager").await;
    let start = StartRoom { title: String::new(), leave_other: true };
    let mut refusals = Vec::new();
    for _ in 0..30 {
        refusals.extend(eager.post::<serde_json::Value>("rooms", &start).await.err());
    }
    assert!(refusals.len() >= 20, "{} refused of 30", refusals.len());
    assert!(refusals.iter().all(|(_, refusal)| [Code::RateLimited, Code::TooManyRooms].contains(&refusal.code)));
}

#[tokio::test]
async fn statistics_of_a_room_without_sound_are_empty() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let room = sari.start("").await.view.room.id;
    let counted: serde_json::Value = sari.get(&format!("rooms/{room}/statistics")).await.unwrap();
    assert!(counted.is_object(), "{counted}");
}
