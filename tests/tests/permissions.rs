//! What the server may not read. Where names lead to otherwise is a matter of the rules in `conformance`.

use harness::{Model, Root, Server, tool};

harness::under_every_model!(tells_what_it_may_not_read);

fn tells_what_it_may_not_read(model: Model) {
    let root = Root::with_index("index").file("closed", "closed").mode("closed", 0o000);
    let root = root.file("locked/inside", "inside").mode("locked", 0o000);
    let mut start = Server::of(model).root(&root);
    // Everything is readable for the superuser, so the server has to be somebody else.
    if rustix::process::geteuid().is_root() {
        let Some(setpriv) = tool("setpriv") else { return };
        start = start.program(Server::copy_program(model, root.outside())).wrapper([
            setpriv.get_program(),
            "--reuid=65534".as_ref(),
            "--regid=65534".as_ref(),
            "--clear-groups".as_ref(),
        ]);
    }
    let server = start.start();
    server.get("/").expect(200);
    server.get("/closed").expect(403);
    server.get("/locked/inside").expect(403);
    server.get("/locked/absent").expect(403);
}
