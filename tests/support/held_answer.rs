//! An answer that comes when the test says so.

use std::sync::{Mutex, mpsc};

use logto_testing::{Endpoint, FakeLogto};

/// Holds the server's answers to token requests until the sender is dropped, and tells when it has one.
pub fn hold_the_answer(fake: &FakeLogto) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, is_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    fake.tamper_response(Endpoint::Token, move |_| {
        let _ = reached.send(());
        let _ = may_go_on.lock().unwrap().recv();
    });
    (is_reached, go_on)
}
