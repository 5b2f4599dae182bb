//! A wire to a house that can be cut: everything over TCP, that is API, events and signalling; not the sound.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serambi_protocol::link::HouseAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub struct Wire {
    pub address: HouseAddress,
    whole: Arc<Mutex<CancellationToken>>,
    apart: Arc<AtomicBool>,
    house: Arc<Mutex<String>>,
}

impl Wire {
    pub async fn to(house: &HouseAddress) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = HouseAddress {
            addresses: vec![listener.local_addr().unwrap().to_string()],
            proof: house.proof.clone(),
            passage: None,
        };
        let whole = Arc::new(Mutex::new(CancellationToken::new()));
        let apart = Arc::new(AtomicBool::new(false));
        let house = Arc::new(Mutex::new(house.addresses[0].clone()));
        tokio::spawn(carry(listener, house.clone(), whole.clone(), apart.clone()));
        Self { address, whole, apart, house }
    }

    /// Cuts everything that goes through it now. New connections are possible at once.
    pub fn cut(&self) {
        std::mem::take(&mut *self.whole.lock().unwrap()).cancel();
    }

    /// Cuts it and keeps the ends apart.
    pub fn keep_apart(&self) {
        self.apart.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// From now on it leads there.
    pub fn lead_to(&self, house: &HouseAddress) {
        self.house.lock().unwrap().clone_from(&house.addresses[0]);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.apart.store(false, Ordering::SeqCst);
    }
}

async fn carry(
    listener: TcpListener,
    house: Arc<Mutex<String>>,
    whole: Arc<Mutex<CancellationToken>>,
    apart: Arc<AtomicBool>,
) {
    while let Ok((mut near, _)) = listener.accept().await {
        if apart.load(Ordering::SeqCst) {
            continue;
        }
        let (house, whole) = (house.lock().unwrap().clone(), whole.lock().unwrap().clone());
        tokio::spawn(async move {
            let mut far = TcpStream::connect(house).await.unwrap();
            tokio::select! {
                () = whole.cancelled() => {}
                // Either end may close whenever it likes.
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            }
        });
    }
}
