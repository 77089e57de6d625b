/** A collector of the demo SIEM that is reached by HTTP: one request after the other, judged and spoilt. */

import {
  type ArmedFault,
  type Fault,
  type FaultOptions,
  spoil,
} from "./faults.ts";
import type { Ending, ServedRequest } from "./http_server.ts";
import type { Protocol, Verdict } from "./protocol.ts";
import { Target, type TargetSetup } from "./target.ts";

export class HttpTarget extends Target {
  readonly #protocol: Protocol;

  constructor(setup: TargetSetup & { readonly protocol: Protocol }) {
    super(setup);
    this.#protocol = setup.protocol;
  }

  override fault(fault: Fault, options?: FaultOptions): ArmedFault {
    if (fault.kind === "refuse" || fault.kind === "handshake") {
      throw new RangeError(`${fault.kind} is a fault of syslog collectors`);
    }
    return super.fault(fault, options);
  }

  override revoke(): void {
    this.#protocol.revoke?.();
  }

  /** Answers one request; `path` is below the target's prefix. */
  async handle(request: ServedRequest, path: string): Promise<Ending> {
    const { method, query, headers } = request;
    const isIntake = this.#protocol.isIntake?.({ method, path }) ?? true;
    const armed = this.faults.next(path, isIntake);
    const fault = armed?.fault;
    const number = this.begin();
    const note = (
      verdict: Pick<Verdict, "body" | "taken" | "keep">,
      ending: Ending,
    ): Ending => {
      const { connection } = request;
      const { body, taken } = verdict;
      const whole = ending.kind === "reply" || ending.kind === "drip";
      const status = whole ? ending.reply.status : 0;
      const reply = whole ? ending.reply.body : "";
      if (taken.length > 0) verdict.keep?.(taken);
      this.keep(
        { number, connection, method, path, headers, body, status, reply },
        taken,
      );
      return ending;
    };
    const unread = { body: new Uint8Array(), taken: [] };
    if (fault?.kind === "reset" && fault.when === "before") {
      return note(unread, { kind: "reset" });
    }
    const body = await request.body();
    if (body === undefined) return note(unread, { kind: "close" });
    if (fault?.kind === "hang" && armed !== undefined) {
      note({ body, taken: [] }, { kind: "close" });
      await this.pause(
        fault.ms ?? Infinity,
        AbortSignal.any([armed.cleared, request.gone]),
      );
      return { kind: "close" };
    }
    const verdict = this.#protocol.judge(
      { method, path, query, headers, body },
      this.poison(fault),
    );
    this.complain(verdict.complaints);
    if (fault === undefined || fault.kind === "reject") {
      this.lookedAt(verdict.decided);
      return note(verdict, { kind: "reply", reply: verdict.reply });
    }
    if (
      fault.kind === "hang" || fault.kind === "refuse" ||
      fault.kind === "handshake"
    ) throw new TypeError(`${fault.kind} was handled above`);
    const { ending, taken } = spoil(fault, {
      verdict,
      protocol: this.#protocol,
      path,
      pause: (ms) => this.pause(ms, request.gone),
    });
    return note({ ...verdict, taken }, ending);
  }
}
