"""All that Redis holds, as bytes to search in."""

import redis

_READERS = {
    b"string": lambda store, key: [store.get(key)],
    b"hash": lambda store, key: [part for pair in store.hgetall(key).items() for part in pair],
    b"list": lambda store, key: store.lrange(key, 0, -1),
    b"set": lambda store, key: list(store.smembers(key)),
    b"zset": lambda store, key: store.zrange(key, 0, -1),
}


def everything_in(address):
    store = redis.Redis(*address)
    return b"\n".join(
        part for key in store.scan_iter() for part in [key, *_READERS[store.type(key)](store, key)]
    )
