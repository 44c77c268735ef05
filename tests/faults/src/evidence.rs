//! What the database says: the changes, which a trigger lists, and the rows.

use tests::postgres::Database;
use tokio_postgres::{Client, Row};

use crate::record::{Change, Evidence, Image};

/// Makes the trigger. It runs in the transaction of the change, so that its row is there if and only if the change is.
/// Other triggers make some statements and some commits up to 20 ms longer, so that faults meet them under way.
pub(crate) async fn watch(database: &Database) {
    database
        .execute(
            "CREATE TABLE audit (
                seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                user_id     TEXT NOT NULL,
                id          BIGINT NOT NULL,
                old         task,
                new         task,
                made_at     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
            );
            CREATE INDEX ON audit (user_id);
            CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
            BEGIN
                INSERT INTO audit (user_id, id, old, new)
                VALUES (COALESCE(NEW.user_id, OLD.user_id)::TEXT, COALESCE(NEW.id, OLD.id), OLD, NEW);
                RETURN NULL;
            END $$;
            CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON task FOR EACH ROW EXECUTE FUNCTION audit();
            CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF random() < 0.1 THEN
                    PERFORM pg_sleep(random() * 0.02);
                END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER dawdle AFTER INSERT OR UPDATE OR DELETE ON task FOR EACH ROW EXECUTE FUNCTION dawdle();
            CREATE CONSTRAINT TRIGGER dawdle_at_commit AFTER INSERT OR UPDATE OR DELETE ON task
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();",
        )
        .await;
}

/// Collects what is known about the tasks of these users.
///
/// # Errors
/// Those of the database.
pub(crate) async fn collect(client: &Client, users: &[String]) -> Result<Evidence, tokio_postgres::Error> {
    let sql = "
        SELECT id, (old).title, (old).description, (old).completed, (old).updated_at,
            (new).title, (new).description, (new).completed, (new).updated_at, made_at
        FROM audit WHERE user_id = ANY($1) ORDER BY seq";
    let changes = client.query(sql, &[&users]).await?;
    let change = |row| Change { task: Row::get(row, 0), old: image(row, 1), new: image(row, 5), at: row.get(9) };
    let changes = changes.iter().map(change);
    let sql = "SELECT id, title, description, completed, updated_at FROM task WHERE user_id::TEXT = ANY($1)";
    let tasks = client.query(sql, &[&users]).await?;
    let tasks = tasks.iter().filter_map(|row| Some((row.get(0), image(row, 1)?)));
    Ok(Evidence { changes: changes.collect(), tasks: tasks.collect() })
}

/// The image in four columns of a row; `None` when they are NULL.
fn image(row: &Row, from: usize) -> Option<Image> {
    Some(Image {
        title: row.get::<_, Option<String>>(from)?,
        description: row.get(from + 1),
        completed: row.get(from + 2),
        version: row.get(from + 3),
    })
}
