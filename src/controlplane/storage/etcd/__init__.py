"""A store in etcd, over its v3 API: `store` is the way in, `members` the way there."""
