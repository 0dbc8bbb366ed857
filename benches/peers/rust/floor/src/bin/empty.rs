//! What a program costs that has nothing in it: it prints an address.

fn main() {
    let endpoint = std::env::args().nth(1).unwrap_or_default();
    println!("{endpoint}/oidc/auth?client_id=app");
}
