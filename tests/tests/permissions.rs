//! What the server may not read. Where names lead to otherwise is a matter of the rules in `conformance`.

use harness::{Model, Root, Server};

harness::under_every_model!(tells_what_it_may_not_read);

fn tells_what_it_may_not_read(model: Model) {
    let root = Root::with_index("index").file("closed", "closed").mode("closed", 0o000);
    let root = root.file("locked/inside", "inside").mode("locked", 0o000);
    let Some(start) = Server::of(model).root(&root).unprivileged(&root) else { return };
    let server = start.start();
    server.get("/").expect(200);
    server.get("/closed").expect(403);
    server.get("/locked/inside").expect(403);
    server.get("/locked/absent").expect(403);
}
