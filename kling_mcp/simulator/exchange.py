"""One request from its arrival to its reply, faults included, without any HTTP around it.

Synchronous on purpose: an exchange happens completely or not at all, even if it happens late.
"""

from dataclasses import dataclass, field

from kling_mcp.simulator import ids
from kling_mcp.simulator.calls import Operation
from kling_mcp.simulator.codes import INVALID_CREDENTIAL, INVALID_PARAMETERS, RefusedError
from kling_mcp.simulator.fault_actions import Answer, Ending, Lose, Malform, Plan, Refuse
from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.generation.results import download
from kling_mcp.simulator.operations import perform
from kling_mcp.simulator.replies import Reply, armed_answer, refusal, spoil, success
from kling_mcp.simulator.request_log import RequestRecord
from kling_mcp.simulator.routes import API_KEY_ONLY
from kling_mcp.simulator.world import World


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request that has been read. `authorization` is checked and never kept in the record.

    `origin` is the address that the client called.
    """

    world: World
    faults: Faults
    plan: Plan
    record: RequestRecord
    item_id: str
    authorization: str | None = field(repr=False)
    origin: str = ""
    body: bytes = b""

    @property
    def request_id(self) -> str:
        """Kling's id of this request."""
        return ids.request_id(self.record.number)

    def server_time(self) -> float:
        """What the server believes the time is, in Unix seconds."""
        return self.world.clock() + self.world.skew_seconds + self.plan.skew_seconds

    def outcome(self) -> Reply | Ending:
        """Carry out the request unless a fault prevents it; returns the reply, or how the connection ends."""
        match self.plan.reply:
            case Refuse():
                return "reset"  # over TCP this is as near to a refused connection as a listening server gets
            case Lose() as lose:
                self._carry_out_if(lose.after_commit)
                return lose.ending
            case Answer() as answer:
                self._carry_out_if(answer.after_commit)
                reply = armed_answer(answer, self.request_id, self.world.quirks)
            case Malform() as malform:
                reply = spoil(self._carry_out_if(malform.after_commit), malform)
            case _:
                reply = self._carry_out_if(True)
        self.record.status, self.record.code = reply.status, reply.code
        return reply

    def _carry_out_if(self, wanted: bool) -> Reply:
        if self.record.route == "file":
            return self._download()
        if not wanted:
            return success({"task_id": "870000000000000000"}, self.request_id, self.world.quirks)
        try:
            account = self.world.account(self.world.keyring.admit(self.authorization, self.server_time()))
            self.record.account = account.name
            self._require_api_key()
            self._require_json_header()
            call = Operation(
                world=self.world,
                faults=self.faults,
                account=account,
                item_id=self.item_id,
                body=self.body,
                record=self.record,
                origin=self.origin,
            )
            return success(perform(call), self.request_id, self.world.quirks)
        except RefusedError as error:
            return refusal(error, self.request_id, self.world.quirks)

    def _download(self) -> Reply:
        return download(self.world, self.item_id, self.record.query, self.record.headers.get("range", ""))

    def _require_api_key(self) -> None:
        if self.record.route in API_KEY_ONLY and self.record.credential == "jwt":
            raise RefusedError(INVALID_CREDENTIAL)  # fact: auth-pair-legacy-only

    def _require_json_header(self) -> None:
        sent = self.record.headers.get("content-type", "")
        if self.world.strict and sent.partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(INVALID_PARAMETERS, "Content-Type must be application/json")  # fact: headers
