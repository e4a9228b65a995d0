"""A client and a node written by hand from the wire's description, so that they can break every rule of it."""

import base64
import contextlib
import hashlib
import http.client
import json
import re
import socket
import ssl
import struct
import threading
import time
import uuid
from dataclasses import dataclass
from urllib.parse import quote

import websocket
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from drawbridge import PATIENCE, eventually
from principals import NODE_ROLE

REGION = "us-east-1"
SECRET_MEMBERS = {"TokenValue", "ActivationCode", "SecretAccessKey", "SessionToken"}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

# --- frames ---------------------------------------------------------------------------------------------------------

OUTPUT, SIZE, FLAG = 1, 3, 10


def swapped(message_id):
    return message_id.bytes[8:] + message_id.bytes[:8]


def encode(message_type, payload=b"", sequence=0, flags=0, payload_type=0, *, header_length=116, length=None,
           digest=None, created=None, schema=1, message_id=None):
    """One frame; whatever is named after the payload type is usually right by itself."""
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    name = message_type if isinstance(message_type, bytes) else message_type.encode().ljust(32)
    return (
        struct.pack(">I", header_length) + name
        + struct.pack(">IQqQ", schema, int(time.time() * 1000) if created is None else created, sequence, flags)
        + swapped(message_id or uuid.uuid4())
        + (hashlib.sha256(payload).digest() if digest is None else digest)
        + struct.pack(">II", payload_type, len(payload) if length is None else length) + payload
    )


@dataclass
class Frame:
    """A frame that arrived."""

    message_type: str
    sequence: int
    message_id: uuid.UUID
    payload_type: int
    payload: bytes

    @classmethod
    def decode(cls, data):
        header_length, name = struct.unpack_from(">I32s", data)
        assert header_length == 116
        _schema, created, sequence, _flags = struct.unpack_from(">IQqQ", data, 36)
        payload_type, length = struct.unpack_from(">II", data, 112)
        payload = data[120:]
        assert created and length == len(payload) and data[80:112] == hashlib.sha256(payload).digest()
        identity = uuid.UUID(bytes=data[72:80] + data[64:72])
        return cls(name.decode().strip(" \0"), sequence, identity, payload_type, payload)

    @property
    def json(self):
        return json.loads(self.payload)


def acknowledge(frame, sequence=None):
    number = frame.sequence if sequence is None else sequence
    return encode("acknowledge", {
        "AcknowledgedMessageType": frame.message_type, "AcknowledgedMessageId": str(frame.message_id),
        "AcknowledgedMessageSequenceNumber": number, "IsSequentialMessage": True,
    }, flags=3)


def websocket_frame(payload=b"", opcode=BINARY, *, fin=True, reserved=0, masked=True, announced=None):
    """A client's websocket frame, right or wrong."""
    size = len(payload) if announced is None else announced
    mask_bit = 0x80 if masked else 0
    first = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if size < 126:
        head = first + bytes([mask_bit | size])
    elif size < 1 << 16:
        head = first + struct.pack(">BH", mask_bit | 126, size)
    else:
        head = first + struct.pack(">BQ", mask_bit | 127, size)
    # A mask of zeros leaves the payload as it is.
    return head + (b"\0\0\0\0" if masked else b"") + payload


# --- signatures -----------------------------------------------------------------------------------------------------


def hmac(key, secret, token=None, service="ssm", region=REGION):
    """Signs as an SDK does."""
    def sign(request):
        SigV4Auth(Credentials(key, secret, token), service, region).add_auth(request)
    return sign


class _Rsa(SigV4Auth):
    def __init__(self, node, key):
        super().__init__(Credentials(node, "unused"), "ssm", REGION)
        self.key = key

    def signature(self, string_to_sign, request):
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        return base64.b64encode(self.key.sign(string_to_sign.encode(), pss, hashes.SHA256())).decode()


def rsa_pss(node, key):
    """Signs as a node does before it has credentials."""
    return lambda request: _Rsa(node, key).add_auth(request)


# --- the server's door ----------------------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    body: str

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error's code in whichever family's dialect."""
        found = re.search(r"<Code>(\w+)</Code>|\"__type\":\s*\"(\w+)\"|<(\w+Exception)>", self.body)
        return next(filter(None, found.groups())) if found else None

    @property
    def token(self):
        found = re.search("<TokenValue>(.*?)</TokenValue>", self.body)
        return found and found.group(1)


class Door:
    """The way to one server; remembers every secret it was told and every refusal it was given."""

    def __init__(self, dev):
        self.dev = dev
        self.host, self.port = "127.0.0.1", dev.port
        self.bundle = dev.env["AWS_CA_BUNDLE"]
        self.context = ssl.create_default_context(cafile=self.bundle)
        self.context.set_alpn_protocols(["http/1.1"])
        self.admin = (dev.env["AWS_ACCESS_KEY_ID"], dev.env["AWS_SECRET_ACCESS_KEY"])
        self.secrets = {self.admin[1]}
        self.refusals = []

    def request(self, method, path, body="", headers=(), sign=None, spoil=None):
        """Asks; `spoil` changes the request after it was signed."""
        request = AWSRequest(method, f"https://{self.host}:{self.port}{path}", dict(headers), body)
        request.headers["Host"] = f"{self.host}:{self.port}"
        if sign:
            sign(request)
        if spoil:
            spoil(request)
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=PATIENCE, context=self.context)
        try:
            connection.request(method, path, request.data, dict(request.headers.items()))
            response = connection.getresponse()
            answer = Answer(response.status, response.read().decode())
        finally:
            connection.close()
        self._remember(answer)
        return answer

    def _remember(self, answer):
        if answer.status >= 400:
            self.refusals.append(answer.body)
        members = "|".join(SECRET_MEMBERS)
        for pattern in (rf'"(?:{members})":\s*"([^"]+)"', rf"<(?:{members})>([^<]+)<"):
            self.secrets.update(re.findall(pattern, answer.body))

    def call(self, operation, input=None, sign=None, spoil=None, prefix="AmazonSSM"):
        """A JSON operation, as the administrator unless said otherwise; `sign=False` does not sign."""
        if sign is None:
            sign = hmac(*self.admin)
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{prefix}.{operation}"}
        return self.request("POST", "/", json.dumps(input or {}), headers, sign, spoil)

    def create_channel(self, kind, name, sign, spoil=None):
        body = json.dumps({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4())})
        path = f"/v1/{kind}-channel/{quote(name, safe='')}"
        return self.request("POST", path, body, {"Content-Type": "application/json"}, sign, spoil)

    def dial(self, path, sign=None, spoil=None):
        """A websocket without its first text frame."""
        request = AWSRequest("GET", f"https://{self.host}:{self.port}{path}")
        request.headers["Host"] = f"{self.host}:{self.port}"
        if sign:
            sign(request)
        if spoil:
            spoil(request)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        opened = websocket.create_connection(
            f"wss://{self.host}:{self.port}{path}", timeout=PATIENCE, header=headers, suppress_origin=True,
            sslopt={"context": self.context}, enable_multithread=False)
        return Channel(opened)

    def dial_data(self, session, sign=None, spoil=None):
        return self.dial(f"/v1/data-channel/{quote(session, safe='')}?role=publish_subscribe", sign, spoil)

    def dial_control(self, node, sign=None, spoil=None):
        return self.dial(f"/v1/control-channel/{quote(node, safe='')}?role=subscribe&stream=input", sign, spoil)

    def tcp(self):
        return socket.create_connection((self.host, self.port), PATIENCE)

    def tls(self):
        return self.context.wrap_socket(self.tcp(), server_hostname=self.host)

    def start(self, node, **input):
        answer = self.call("StartSession", {"Target": node, **input})
        assert answer.status == 200, answer
        return answer.json["SessionId"], answer.json["TokenValue"]

    def state(self, session):
        """The session's state on record."""
        filters = [{"key": "SessionId", "value": session}]
        for state in ("Active", "History"):
            found = self.call("DescribeSessions", {"State": state, "Filters": filters}).json["Sessions"]
            if found:
                return found[0]["Status"]
        return None


class Channel:
    """One websocket to the server."""

    def __init__(self, opened):
        self.socket = opened
        self.close_code = None

    def say(self, data, opcode=BINARY):
        self.socket.send(data, opcode)

    def text(self, value):
        self.say(value if isinstance(value, str) else json.dumps(value), TEXT)

    def raw(self, data):
        """Bytes past the websocket library."""
        self.socket.sock.sendall(data)

    def receive(self, patience=PATIENCE):
        """The next frame, or `None` when the server has closed the channel. Answers pings on the way."""
        self.socket.settimeout(patience)
        while True:
            try:
                opcode, data = self.socket.recv_data()
            except websocket.WebSocketTimeoutException:
                raise TimeoutError(f"no frame within {patience} s") from None
            except (websocket.WebSocketException, OSError):
                return None
            assert opcode != TEXT, "text kills AWS's programs"
            if opcode == BINARY:
                return Frame.decode(data)
            if opcode == CLOSE:
                self.close_code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else None
                return None

    def until(self, wanted):
        """The next frame of a type; others before it are skipped."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            frame = self.receive()
            assert frame is not None, f"closed ({self.close_code}) before any {wanted}"
            if frame.message_type == wanted:
                return frame
        raise TimeoutError(f"no {wanted}")

    def ends(self):
        """Reads until the server closes the channel; answers the text of its `channel_closed`, if one came."""
        goodbye = None
        while frame := self.receive():
            if frame.message_type == "channel_closed":
                goodbye = frame.json["Output"]
            self.take(frame)
        self.drop()
        return goodbye

    def take(self, frame):
        """Does what has to be done with a frame nobody waits for."""

    def drop(self):
        """Closes the connection without a word."""
        self.socket.shutdown()


class End(Channel):
    """One end of a session's data channel, with its numbering."""

    sends, hears = "input_stream_data", "output_stream_data"

    def __init__(self, opened):
        super().__init__(opened)
        self.sequence = 0
        self.expected = 0
        self.acknowledged = set()

    def receive(self, patience=PATIENCE):
        frame = super().receive(patience)
        if frame and frame.message_type == "acknowledge":
            self.acknowledged.add(frame.json["AcknowledgedMessageSequenceNumber"])
        return frame

    def take(self, frame):
        if frame.message_type == self.hears:
            with contextlib.suppress(OSError, websocket.WebSocketException):
                self.say(acknowledge(frame))

    def send(self, payload, payload_type=OUTPUT):
        self.say(encode(self.sends, payload, self.sequence, payload_type=payload_type))
        self.sequence += 1

    def hear(self):
        """The next payload in order, acknowledged; what was heard before is acknowledged again."""
        while True:
            frame = self.until(self.hears)
            self.say(acknowledge(frame))
            assert frame.sequence <= self.expected, "the server sends in order"
            if frame.sequence == self.expected:
                self.expected += 1
                return frame.payload

    def hear_text(self, needle):
        """Everything up to and with `needle`."""
        heard = b""
        while needle not in heard:
            heard += self.hear()
        return heard

    def continues(self, earlier):
        """Takes over the numbering of the same end's earlier connection."""
        self.sequence, self.expected = earlier.sequence, earlier.expected
        return self


class Client(End):
    """The user's end, which does what a plugin of AWS does."""

    def __init__(self, door, session, token, client_id=None, sign=None, spoil=None, **members):
        super().__init__(door.dial_data(session, sign, spoil).socket)
        self.client_id = client_id or str(uuid.uuid4())
        self.text({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), "TokenValue": token,
                   "ClientId": self.client_id, "ClientVersion": "1.2.707.0", **members})


class NodeEnd(End):
    """The node's end of a session."""

    sends, hears = Client.hears, Client.sends

    def __init__(self, door, session, token, node, sign):
        super().__init__(door.dial_data(session, sign).socket)
        self.text({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), "TokenValue": token,
                   "ClientInstanceId": node, "ClientId": ""})

    def state(self, session, state):
        self.say(encode("agent_session_state", {"SchemaVersion": 1, "SessionState": state, "SessionId": session},
                        flags=3))


class Node:
    """A managed node that does as it is told by a test."""

    def __init__(self, door, activation=None):
        self.door = door
        self.key = new_key()
        self.fingerprint = str(uuid.uuid4())
        answer = register(door, activation or activate(door), self.key, self.fingerprint)
        assert answer.status == 200, answer
        self.id = answer.json["InstanceId"]
        self.control = None
        self.renew()

    def renew(self):
        answer = self.ask_role_token()
        assert answer.status == 200, answer
        given = answer.json
        self.credentials = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def ask_role_token(self, **other):
        fingerprint = other.get("fingerprint", self.fingerprint)
        sign = rsa_pss(other.get("node", self.id), other.get("key", self.key))
        return self.door.call("RequestManagedInstanceRoleToken", {"Fingerprint": fingerprint}, sign)

    def signed(self, service="ssmmessages"):
        return hmac(*self.credentials, service=service)

    def connect(self):
        """Opens the control channel; answers once the server takes orders for it."""
        token = self.door.create_channel("control", self.id, self.signed()).token
        self.control = self.door.dial_control(self.id, self.signed())
        self.control.text({"Cookie": None, "MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()),
                           "TokenValue": token, "AgentVersion": "3.3.987.0", "PlatformType": "linux"})
        eventually(self.is_connected, what=f"the control channel of {self.id}")
        return self

    def is_connected(self):
        return self.door.call("GetConnectionStatus", {"Target": self.id}).json["Status"] == "connected"

    def pulse(self):
        """Says that it is there, as agents do between orders: a node that is silent for two minutes is given up."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.control.say(b"", PING)

    def next_order(self):
        """Waits for an order to start a session; answers the session's id."""
        return self.control.until("interactive_shell").json["TaskId"]

    def is_asked_to_start(self, session):
        """Waits for the order to start this session."""
        while self.next_order() != session:
            pass

    def data_token(self, session):
        return self.door.create_channel("data", session, self.signed()).token

    def join(self, session):
        """Opens its end of a session it was asked to start."""
        end = NodeEnd(self.door, session, self.data_token(session), self.id, self.signed())
        end.state(session, "Connected")
        return end

    def complete(self, session, status="Success"):
        """Reports a session's end and waits until the report is acknowledged."""
        report = encode("agent_task_complete", {
            "SchemaVersion": 1, "TaskId": session, "Topic": "agent_task_complete", "FinalTaskStatus": status,
            "IsRoutingFailure": False, "AwsAccountId": "", "InstanceId": self.id, "Output": "", "S3Bucket": "",
            "S3UrlSuffix": "", "CwlGroup": "", "CwlStream": "", "RetryNumber": 1,
        }, message_id=(identity := uuid.uuid4()))
        self.control.say(report)
        while self.control.until("agent_task_acknowledge").json["MessageId"] != str(identity):
            pass


class EnrolledNode(Node):
    """A node under an `i-` id, which signs with the access key that it was enrolled with."""

    def __init__(self, door, *arguments):
        done = door.dev.cli("nodes", "enrol", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        enrolled = json.loads(done.stdout)
        self.door, self.control = door, None
        self.id = enrolled["InstanceId"]
        self.credentials = (enrolled["AccessKeyId"], enrolled["SecretAccessKey"], None)
        door.secrets.add(enrolled["SecretAccessKey"])


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def activate(door, **input):
    answer = door.call("CreateActivation", {"IamRole": NODE_ROLE, **input})
    assert answer.status == 200, answer
    return answer.json


def register(door, activation, key, fingerprint="a machine"):
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return door.call("RegisterManagedInstance", {
        "ActivationId": activation["ActivationId"], "ActivationCode": activation["ActivationCode"],
        "Fingerprint": fingerprint, "PublicKey": base64.b64encode(public).decode(), "PublicKeyType": "Rsa",
    }, sign=False)


class Session:
    """A session between a hand-written client and a hand-written node."""

    def __init__(self, door, node, **input):
        self.door, self.node = door, node
        self.id, self.token = door.start(node.id, **input)
        self.client = Client(door, self.id, self.token)
        node.is_asked_to_start(self.id)
        self.end = node.join(self.id)

    def works(self):
        """Whether exactly what one end says next is what the other hears next."""
        word = uuid.uuid4().bytes
        self.client.send(word)
        assert self.end.hear() == word
        self.end.send(word[::-1])
        assert self.client.hear() == word[::-1]

    def resume(self):
        """Replaces the client's connection."""
        answer = self.door.call("ResumeSession", {"SessionId": self.id})
        self.token = answer.json["TokenValue"]
        again = Client(self.door, self.id, self.token, self.client.client_id)
        self.client = again.continues(self.client)

    def rejoin(self):
        """Replaces the node's connection."""
        token = self.node.data_token(self.id)
        self.end = NodeEnd(self.door, self.id, token, self.node.id, self.node.signed()).continues(self.end)

    def finish(self):
        """Ends the session as its node."""
        self.end.state(self.id, "Terminating")
        goodbye = self.client.ends()
        self.end.drop()
        self.node.complete(self.id)
        return goodbye


def at_once(count, act):
    """What `act(0)` to `act(count - 1)` answer when run in threads that start together."""
    start, answers = threading.Barrier(count), [None] * count

    def run(index):
        start.wait()
        answers[index] = act(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return answers
