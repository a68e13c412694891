"""Keystone as Heat's engine sees it: Heat's own double, with users that can be lost."""

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace

from heat.engine.clients.os.keystone.fake_keystoneclient import FakeKeystoneClient
from keystoneauth1 import exceptions, plugin

AUTH_URL = "http://keystone/v3"


@dataclass
class User:
    name: str
    project: str
    password: str
    enabled: bool = True
    key_pairs: dict[str, str] = field(default_factory=dict)


class Keystone(FakeKeystoneClient):
    """Domain users with passwords, key pairs and tokens.

    Attributes:
        projects, users: By id. A test deletes what is to be lost.
        tokens: By token, whose it is.
        down: Whether nothing is answered.
    """

    stack_domain = "heat"

    def __init__(self):
        super().__init__()
        self.projects, self.users, self.tokens = {}, {}, {}
        self.down = False
        self._numbers = itertools.count(1)
        self.domain_admin_client = SimpleNamespace(users=SimpleNamespace(update=self._update))

    def user_named(self, part):
        """Return the one user whose name has a part, such as a resource's name."""
        (found,) = [user for user in self.users.values() if part in user.name]
        return found

    def login(self, user_id, password, project):
        """Return a token, as Keystone does for a password.

        Raises:
            Unauthorized: Keystone knows no such user, or another password.
        """
        self._answer()
        user = self.users.get(user_id)
        known = user and user.enabled and user.password == password and user.project == project
        if not known or project not in self.projects:
            raise exceptions.Unauthorized("The request you have made requires authentication.")
        token = f"token-{next(self._numbers)}"
        self.tokens[token] = user_id
        return token

    def validated(self, token):
        """Return the user that a token is good for; `None`: no user."""
        user = self.users.get(self.tokens.get(token))
        return user if user and user.enabled else None

    def check_key_pair(self, access):
        """See that a key pair is somebody's, as heat-api-cfn asks it for a signature.

        Raises:
            Unauthorized: It is nobody's, or its user's who is disabled.
        """
        self._answer()
        for user in self.users.values():
            if user.enabled and access in user.key_pairs.values():
                return
        raise exceptions.Unauthorized("EC2 signature not supplied.")

    # What Heat's engine calls.

    def create_stack_domain_project(self, stack_id):
        self._answer()
        project = f"project-{next(self._numbers)}"
        self.projects[project] = stack_id
        return project

    def delete_stack_domain_project(self, project_id):
        self._answer()
        self.projects.pop(project_id, None)

    def create_stack_domain_user(self, username, project_id, password=None):
        self._answer()
        user_id = f"user-{next(self._numbers)}"
        self.users[user_id] = User(username, project_id, password)
        return user_id

    def delete_stack_domain_user(self, user_id, project_id):
        self._found(user_id, project_id)
        del self.users[user_id]

    def create_stack_domain_user_keypair(self, user_id, project_id):
        user = self._found(user_id, project_id)
        number = next(self._numbers)
        pair = SimpleNamespace(id=f"pair-{number}", access=f"access-{number}", secret="s3cret")
        user.key_pairs[pair.id] = pair.access
        return pair

    def delete_stack_domain_user_keypair(self, user_id, project_id, credential_id):
        del self._found(user_id, project_id).key_pairs[credential_id]

    def enable_stack_domain_user(self, user_id, project_id):
        self._found(user_id, project_id).enabled = True

    def disable_stack_domain_user(self, user_id, project_id):
        self._found(user_id, project_id).enabled = False
        self.tokens = {token: who for token, who in self.tokens.items() if who != user_id}

    def stack_domain_user_token(self, user_id, project_id, password):
        return self.login(user_id, password, project_id)

    def server_keystone_endpoint_url(self, fallback_endpoint):
        return AUTH_URL

    def _update(self, user, password):
        self._answer()
        if user not in self.users:
            raise exceptions.NotFound(f"Could not find user: {user}.")
        self.users[user].password = password

    def _found(self, user_id, project_id):
        self._answer()
        user = self.users.get(user_id)
        if user is None:
            raise exceptions.NotFound(f"Could not find user: {user_id}.")
        if user.project != project_id:
            # Heat's own check, in its words.
            raise ValueError("User enable in invalid project")
        return user

    def _answer(self):
        if self.down:
            raise exceptions.ConnectFailure(f"Unable to establish connection to {AUTH_URL}")


class Catalog(plugin.BaseAuthPlugin):
    """A caller's token, and the endpoints that Keystone tells of with it.

    Attributes:
        urls: By service type; a test takes away what the cloud shall not have.
    """

    def __init__(self):
        super().__init__()
        self.urls = {
            "messaging": "http://zaqar",
            "messaging-websocket": "ws://zaqar",
            "cloudformation": "http://heat/v1/%(project)s",
            "orchestration": "http://heat/v1/project",
            "identity": "http://keystone",
        }

    def get_token(self, session, **kwargs):
        return "callers-token"

    def get_endpoint(self, session, service_type=None, interface=None, **kwargs):
        url = self.urls.get(service_type)
        return url and url.replace("zaqar", f"zaqar-{interface.removesuffix('URL')}")

    def get_access(self, session):
        return SimpleNamespace(role_names=[], user_domain_id=None, project_domain_id=None)
