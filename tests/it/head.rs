//! HEAD for every route with GET: the same answer without a body.

use shared::routes::{Access, ROUTES};
use tests::{Api, Request};

#[tokio::test]
async fn head_is_get_without_the_body() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let task = api.database.task(1, "Milk").await;
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let target = route.path.replace("{user_id}", "1").replace("{id}", &task.to_string());
        for user in [Some(1), None] {
            let request = |method| {
                let request = Request::new(method, &target);
                if let Some(user) = user { request.user(user) } else { request }
            };
            let (get, head) = (api.send(request("GET")).await, api.send(request("HEAD")).await);
            assert_eq!(head.status, get.status, "{target}: {}", get.body);
            assert!(head.body.is_empty() && !get.body.is_empty(), "{target}: {}", head.body);
            let without_id = |mut headers: std::collections::BTreeMap<String, String>| {
                headers.remove("x-request-id");
                headers
            };
            assert_eq!(without_id(head.headers), without_id(get.headers), "{target}");
            let is_refused = route.access == Access::User && user.is_none();
            assert_eq!(get.status, if is_refused { 401 } else { 200 }, "{target}");
        }
    }
}
