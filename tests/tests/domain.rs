//! A house with a real name: people come by a link without a fingerprint, browsers without a warning, over HTTP/2, and
//! from port 80; also behind nginx, configured as the README says. Real programs in a network of their own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serambi_tests::{
    name_server::NameServer,
    namespace::Namespace,
    network,
    pebble::{self, Pebble, Ports},
    places,
    program::{Program, run},
    talking_house::{Listener, TalkingHouse},
    wait,
};

const NAME: &str = "rooms.example.org";
/// Public, so that the house takes its guests for people from elsewhere (RFC 5737).
const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const LIMIT: Duration = Duration::from_secs(60);

/// A computer without a network, on which the name means itself.
fn computer(test: &str) -> (Namespace, PathBuf) {
    let output = places::fresh_output(test).unwrap();
    let mut place = Namespace::open(test, &output).unwrap();
    place.ip(&format!("address add {ADDRESS}/32 dev lo")).unwrap();
    let hosts = output.join("hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost\n{ADDRESS} {NAME}\n")).unwrap();
    place.name_by(hosts);
    (place, output)
}

/// What curl gets, which believes this root alone.
fn fetch(place: &Namespace, root: &Path, words: &[&str]) -> String {
    let mut command = place.command("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]).arg(root).args(words);
    String::from_utf8(run(&mut command).unwrap()).unwrap()
}

/// What the house says, its page, and what it says to pages of others.
fn is_whole(place: &Namespace, root: &Path) {
    let info = fetch(place, root, &["--http2", &format!("https://{NAME}/api/v1/house")]);
    assert!(info.contains(&format!("\"domain\":\"{NAME}\"")), "{info}");
    let spoken = ["--http2", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"];
    let page = fetch(place, root, &[&spoken[..], &[format!("https://{NAME}/").as_str()]].concat());
    assert_eq!(page, "2 200");
    let strange = ["--header", "Origin: https://evil.example", &format!("https://{NAME}/api/v1/house")];
    assert_eq!(fetch(place, root, &[&spoken[..], &strange].concat()), "2 403", "a page of another origin");
}

/// People hear each other by a link that is only a name, and whoever does not believe the authority stays outside.
fn is_heard_by_name(place: &Namespace, root: &Path, house: &mut TalkingHouse, output: &Path) {
    assert!(house.link.starts_with(&format!("serambi://{NAME}:443/r/")), "{}", house.link);
    assert!(!house.link.contains("pin="), "{}", house.link);
    let root = root.to_string_lossy();
    let guest = Listener::join_with("Budi", &["--house-root", &root], place, &house.link, output).unwrap();
    guest.hears_more().unwrap();
    let mut stranger = Listener::join_as("Sri", place, &house.link, output).unwrap();
    let refused = stranger.peer.event("failed", LIMIT).unwrap();
    assert_eq!(refused["code"], "house_not_the_one", "{refused}");
    house.still_runs().unwrap();
}

#[test]
fn a_house_with_a_certificate_of_an_authority_is_reached_by_its_name_alone() {
    let test = "a_house_with_a_certificate_of_an_authority_is_reached_by_its_name_alone";
    let Some(program) = pebble::program_for(test, &places::target()) else { return };
    if !network::may_be_made_for(test).unwrap() {
        return;
    }
    let (place, output) = computer("domain");
    let names = place.within(|| NameServer::start(&[(NAME, ADDRESS)])).unwrap().unwrap();
    let ports = Ports { directory: 14_000, management: 15_000, house: 443 };
    let validity = Duration::from_secs(90 * 24 * 60 * 60);
    let authority = Pebble::start(place.command(program), ports, names.address(), validity, &output).unwrap();
    let issuing = output.join("issuing.pem");
    fs::write(&issuing, fetch(&place, authority.root(), &[&authority.issuing_root()])).unwrap();

    let (root, directory) = (authority.root().to_string_lossy().into_owned(), authority.directory());
    let house = ["--domain", NAME, "--acme-directory", &directory, "--acme-root", &root];
    let issuing_file = issuing.to_string_lossy();
    let words: [&str; 2] = ["--house-root", &issuing_file];
    let mut house = TalkingHouse::open_with_host(&place, &house, &words, &output).unwrap();
    is_whole(&place, &issuing);
    is_heard_by_name(&place, &issuing, &mut house, &output);
    let sent_on = ["--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}"];
    let plain = fetch(&place, &issuing, &[&sent_on[..], &[format!("http://{NAME}/r/x").as_str()]].concat());
    assert_eq!(plain, format!("308 https://{NAME}/r/x"));
    house.close().unwrap();
}

#[test]
fn a_house_that_may_not_take_a_low_port_says_what_to_do() {
    let test = "a_house_that_may_not_take_a_low_port_says_what_to_do";
    if !network::may_be_made_for(test).unwrap() {
        return;
    }
    let (place, output) = computer("low-port");
    run(place.command("sysctl").args(["-qw", "net.ipv4.ip_unprivileged_port_start=1024"])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = place.command("setpriv");
    let without = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"];
    command.args(without).arg("--").arg(places::program("serambi-house").unwrap());
    command.arg("--folder").arg(folder.path()).args(["--no-discovery", "--domain", NAME]);
    let mut house = Program::start(&command, Stdio::null(), &output.join("house.log")).unwrap();
    assert_eq!(house.wait(LIMIT).unwrap().code(), Some(3));
    let said = house.last_words();
    assert!(said.contains("port_not_allowed") && said.contains("CAP_NET_BIND_SERVICE"), "{said}");
}

/// The server's configuration as the README has it, for this place.
fn nginx_configuration(folder: &Path) -> String {
    let readme = fs::read_to_string(places::root().join("README.md")).unwrap();
    let (_, block) = readme.split_once("```nginx\n").unwrap();
    let (servers, _) = block.split_once("```").unwrap();
    let servers = servers
        .replace("/etc/letsencrypt/live/rooms.example.org/fullchain.pem", &folder.join("site.pem").to_string_lossy())
        .replace("/etc/letsencrypt/live/rooms.example.org/privkey.pem", &folder.join("site.key").to_string_lossy());
    assert!(servers.contains("site.pem") && servers.contains("site.key"), "{servers}");
    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let own = format!(
        "daemon off;\npid {};\nerror_log stderr;\nuser root;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {};\nproxy_temp_path {};\nfastcgi_temp_path {};\nuwsgi_temp_path {};\n\
         scgi_temp_path {};\n",
        at("nginx.pid"),
        at("body"),
        at("proxy"),
        at("fastcgi"),
        at("uwsgi"),
        at("scgi")
    );
    format!("{own}{servers}}}\n")
}

fn nginx(place: &Namespace, output: &Path) -> (Program, PathBuf) {
    let signed = pebble::sign(&[NAME]).unwrap();
    for (file, text) in [("site.pem", &signed.chain), ("site.key", &signed.key), ("site-root.pem", &signed.root)] {
        fs::write(output.join(file), text).unwrap();
    }
    let configuration = output.join("nginx.conf");
    fs::write(&configuration, nginx_configuration(output)).unwrap();
    let mut command = place.command("nginx");
    command.arg("-c").arg(&configuration);
    (Program::start(&command, Stdio::null(), &output.join("nginx.log")).unwrap(), output.join("site-root.pem"))
}

#[test]
fn behind_nginx_as_the_readme_has_it_everything_of_a_house_gets_through() {
    let test = "behind_nginx_as_the_readme_has_it_everything_of_a_house_gets_through";
    if Command::new("nginx").arg("-v").output().is_err() {
        return eprintln!("{test}: left out, no nginx; cargo xtask setup --tests");
    }
    if !network::may_be_made_for(test).unwrap() {
        return;
    }
    let (place, output) = computer("behind-nginx");
    let (mut proxy, root) = nginx(&place, &output);
    let is_there = || {
        proxy.still_runs()?;
        Ok(place.within(|| std::net::TcpStream::connect((ADDRESS, 443)).is_ok())?.then_some(()))
    };
    wait::until("nginx", LIMIT, is_there, String::new).unwrap();
    let house = ["--domain", NAME, "--behind-proxy"];
    let root_file = root.to_string_lossy();
    let words: [&str; 2] = ["--house-root", &root_file];
    let mut house = TalkingHouse::open_with_host(&place, &house, &words, &output).unwrap();
    is_whole(&place, &root);
    is_heard_by_name(&place, &root, &mut house, &output);
    house.close().unwrap();
}
