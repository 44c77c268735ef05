//! Very many tasks of very many users, made within Postgres.

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// The user who asks, one of all the users who have so many tasks.
pub(crate) const USER: i32 = 1;
pub(crate) const PER_USER: u64 = 1000;

/// The user who has many more.
pub(crate) const BIG_USER: i32 = 2_000_000_000;

/// A word that about every third task has, and one that three tasks of each user have.
pub(crate) const FREQUENT: &str = "review";
pub(crate) const RARE: &str = "zeppelin";

/// What titles and descriptions are made of. Some come often and most rarely, as in a language.
const WORDS: &str = "the,review,a,for,call,with,write,report,about,send,meeting,prepare,team,check,budget,plan,\
    order,design,fix,update,invoice,customer,draft,book,test,release,contract,email,move,server,clean,garden,\
    kitchen,flight,hotel,doctor,dentist,school,lesson,piano,bicycle,repair,paint,window,letter,grandmother,\
    birthday,present,cake,recipe,market,milk,bread,coffee,apples,library,return,novel,essay,chapter,thesis,\
    laboratory,sample,measure,temperature,weather,umbrella,mountain,hike,tent,lake,fishing,boat,harbour,island,\
    ticket,theatre,concert,violin,museum,exhibition,photograph,camera,lens,print,frame,wall,lamp,carpet,chair,\
    table,desk,drawer,folder,archive,tax,bank,insurance,pension,mortgage,passport,visa,embassy,language";

/// Makes the table anew: `total` tasks of as many users as it takes. A user's tasks lie scattered
/// among the others', as they do when everybody adds one now and then.
pub(crate) async fn fill(client: &Client, total: u64) -> Result<()> {
    let users = total / PER_USER;
    let sql = format!(
        r#"
        TRUNCATE "user", task_api.task RESTART IDENTITY CASCADE;
        INSERT INTO "user" (id, name, email, "emailVerified")
        SELECT n, 'User ' || n, 'user' || n || '@example.com', TRUE FROM generate_series(1, {users}) AS n;
        "#
    );
    client.batch_execute(&sql).await.context("the users")?;
    insert(client, total, &format!("1 + n % {users}"), users).await
}

/// Adds the user with many tasks.
pub(crate) async fn fill_big_user(client: &Client, tasks: u64) -> Result<()> {
    let sql = format!(
        r#"INSERT INTO "user" (id, name, email, "emailVerified") VALUES ({BIG_USER}, 'Big', 'big@example.com', TRUE)"#
    );
    client.batch_execute(&sql).await.context("the user")?;
    insert(client, tasks, &BIG_USER.to_string(), 1).await
}

/// Adds tasks, the `n`th of which is that of the user `user_id`, an expression. `n / users` counts
/// the tasks of one user.
async fn insert(client: &Client, tasks: u64, user_id: &str, users: u64) -> Result<()> {
    // A user is looked up for every row otherwise, by a trigger.
    let sql = format!(
        r"
        SELECT setseed(0.5);
        SET session_replication_role = replica;
        INSERT INTO task_api.task_owner (user_id, tasks)
        SELECT DISTINCT {user_id}, 2147483647 FROM generate_series(0, {users}::bigint - 1) AS n
        ON CONFLICT DO NOTHING;
        INSERT INTO task_api.task (user_id, title, description, completed, created_at, updated_at, search_bytes)
        SELECT user_id, title, description, completed, created_at, updated_at,
            convert_to(lower(title || chr(31) || COALESCE(description, '')), 'UTF8')
        FROM (SELECT {user_id} AS user_id, {title} || CASE WHEN n / {users} IN (250, 500, 750) THEN ' {RARE}' ELSE '' END AS title,
            CASE WHEN random() < 0.5 THEN {description} END AS description, random() < 0.3 AS completed,
            now() - ({tasks} - n) * INTERVAL '1 second' AS created_at,
            now() - ({tasks} - n) * INTERVAL '1 second' AS updated_at
        FROM generate_series(0, {tasks}::bigint - 1) AS n, string_to_array('{WORDS}', ',') AS words) AS made;
        SET session_replication_role = origin;
        ",
        title = words(4),
        description = words(8),
    );
    client.batch_execute(&sql).await.context("the tasks")?;
    client.batch_execute("VACUUM ANALYZE").await.context("VACUUM ANALYZE")
}

/// An expression for so many words. The cube of a random number is mostly small, so that the first
/// words come most.
fn words(count: usize) -> String {
    let word = "words[1 + floor(cardinality(words) * random() ^ 3)::int]";
    vec![word; count].join(" || ' ' || ")
}

/// The task in the middle of a user's.
pub(crate) async fn middle_task(client: &Client, user: i32) -> Result<i64> {
    let sql = "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY id) FROM task_api.task WHERE user_id = $1";
    Ok(client.query_one(sql, &[&user]).await.context("a task in the middle")?.get(0))
}
