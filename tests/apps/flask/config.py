"""The operator's settings for the example app, which itself stays as its authors wrote it.

The example's own config.py (in the folder `EXAMPLE`) holds, and adds to it: session tokens are taken from the header
and from the cookie `access_token_cookie`. `ACCESS_TOKEN_SECONDS=-3600` makes the app issue tokens that have expired.
"""
import os
import runpy

_example = runpy.run_path(os.path.join(os.environ["EXAMPLE"], "config.py"))
globals().update({key: value for key, value in _example.items() if key.isupper()})

JWT_TOKEN_LOCATION = ["headers", "cookies"]
if "ACCESS_TOKEN_SECONDS" in os.environ:
    JWT_ACCESS_TOKEN_EXPIRES = int(os.environ["ACCESS_TOKEN_SECONDS"])
