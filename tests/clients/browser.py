"""What a person does at the development login: opens the page, finds their form and sends it."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


class Forms(HTMLParser):
    """The forms of a page, each with its action and fields."""

    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.forms.append((attrs["action"], {}))
        elif tag in ("input", "button") and self.forms:
            self.forms[-1][1][attrs["name"]] = attrs.get("value", "")


def log_in(url, user):
    """Gives the address that the browser is sent to."""
    page = requests.get(url, allow_redirects=False)
    assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
    assert "anybody may be anybody" in page.text
    parser = Forms()
    parser.feed(page.text)
    action, fields = next(form for form in parser.forms if form[1].get("user") == user)
    reply = requests.post(urljoin(page.url, action), data=fields, allow_redirects=False)
    assert reply.status_code == 303, reply.text
    return reply.headers["location"]
