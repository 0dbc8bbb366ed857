//! A sign-in without a browser: the README's program of one session, with its callback from standard input.

use logto::{Logto, LogtoConfig, SessionId, storage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let logto = Logto::new(LogtoConfig::from_env()?)?;
    let store = storage::open(&std::env::var("STORE")?)?;
    let visitor = SessionId::random();
    let redirect_uri = std::env::var("REDIRECT_URI")?;
    println!(
        "{}",
        logto.session(&store, &visitor).sign_in(&redirect_uri)?
    );
    let mut callback = String::new();
    std::io::stdin().read_line(&mut callback)?;
    let (user, signed_in) = logto.finish_sign_in(&store, &visitor, callback.trim_end())?;
    assert!(logto.session(&store, &user).is_authenticated()?);
    println!("Hello, {}", signed_in.claims.sub);
    Ok(())
}
