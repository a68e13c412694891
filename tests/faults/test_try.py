from support.rig import Rig

def test_try(site, proxy):
    Rig._is_settled = lambda self: True
    rig = Rig(site, kill_points=True)
    for w in ("a", "b"):
        rig.kill_points.forget()
        rig.update(w)
        import time; time.sleep(2)
        print("\n".join(rig.kill_points.steps("runner")))
        print("--")
        print("\n".join(rig.kill_points.steps("agent")))
    print([ (r.method, r.path, r.headers.get("url-methods"), r.headers.get("user-agent")) for r in proxy.requests])
    print(rig.guest.log.read_text()[-6000:])
    print(rig.metadata_queue, rig.signal_queue)
