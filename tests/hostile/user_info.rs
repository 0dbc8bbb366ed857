//! What the user info endpoint answers. It is about the user who is signed in, or refused; and it
//! changes nothing that is stored, unless the access token had to be replaced for it.

use logto::PersistKey::*;
use serde_json::{Value, json};

use super::choices::Choices;
use super::document::changed;
use super::place::{NOW, Place, SignedIn, token_response};
use super::planted::{self, OLD_ACCESS_TOKEN};
use super::server::{Answer, Asked};

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let body = match choices.below(12) {
        11 => choices.rest(),
        10 => changed(&json!({ "error": "invalid_token" }), &mut choices).into_bytes(),
        _ => USER_INFO.with(|user_info| changed(user_info, &mut choices).into_bytes()),
    };
    let mut choices = Choices::new(bytes.get(1..).unwrap_or_default());
    let answer = match choices.one_in(3) {
        true => Answer::around(body, &mut choices),
        false => Answer::json(body),
    };
    THIS.with(|place| place.try_answer(answer));
}

thread_local! {
    static THIS: UserInfoPlace = UserInfoPlace::new();
    static USER_INFO: Value = user_info();
}

struct UserInfoPlace {
    place: Place,
    user: SignedIn,
    access_tokens: String,
    right: Vec<u8>,
}

impl UserInfoPlace {
    fn new() -> Self {
        let place = Place::new().warmed_up();
        let user = SignedIn::new();
        let tokens = Answer::json(token_response(&user.id_token).to_string());
        place.server.answer(Asked::Tokens, tokens);
        let token = json!({ "token": OLD_ACCESS_TOKEN, "expiresAt": NOW + 600 });
        Self {
            place,
            user,
            right: user_info().to_string().into(),
            access_tokens: json!({ "x": { "": token } }).to_string(),
        }
    }

    fn try_answer(&self, answer: Answer) {
        // A server that has the word from elsewhere is not what is looked for.
        if planted::is_marked(&answer.body) {
            return;
        }
        let mut values = self.user.values();
        values[2] = (AccessTokenMap, &self.access_tokens);
        self.place.store(&values);
        let before = self.place.stored();
        let is_readable = answer.is_readable();
        let is_right = is_readable && answer.body == self.right;
        self.place.server.answer(Asked::UserInfo, answer);

        let result = self.place.client.fetch_user_info();
        let sent = self.place.server.take_sent();
        assert!(sent.len() <= 3, "{sent:?}");
        let is_replaced = sent.iter().any(|sent| sent.asked == Asked::Tokens);
        let but = [AccessTokenMap, RefreshToken, IdToken];
        self.place
            .assert_stored(&before, if is_replaced { &but } else { &[] });
        match result {
            Ok(user_info) => assert!(is_readable && user_info.sub == "user"),
            Err(error) => {
                assert!(!is_right, "{error}");
                planted::assert_silent(&error, &[&self.user.id_token]);
            }
        }
        planted::assert_silent_log(&[&self.user.id_token]);
    }
}

fn user_info() -> Value {
    json!({
        "sub": "user",
        "name": "Alice",
        "picture": null,
        "email": "alice@example.com",
        "email_verified": true,
        "custom_data": { "theme": "dark", "sizes": [1, 2.5] },
        "identities": { "google": { "userId": "1", "details": { "name": "A" } } },
        "roles": ["admin"],
        "organizations": ["org"],
        "organization_roles": ["org:admin"],
        "updated_at": 1_795_433_328_543_i64,
    })
}
