/** What every campaign's books know: numbered events that were sent and acked, and the promises that were broken. */

/** Faults beyond this many are only counted. */
const SHOWN_FAULTS = 20;
const SHOWN_CHARACTERS = 400;

export abstract class SentBooks {
  /** By number: the producer connection that sent it. */
  readonly #senders: number[] = [];
  readonly #acked = new Set<number>();
  readonly #faults: string[] = [];
  #faultCount = 0;

  /** How many were sent. */
  get sent(): number {
    return this.#senders.length;
  }

  /** How many were acked. */
  get acked(): number {
    return this.#acked.size;
  }

  /** Reserves numbers for one request's events. Returns the first. */
  reserve(count: number, sender: number): number {
    const first = this.#senders.length;
    for (let n = 0; n < count; n++) this.#senders.push(sender);
    return first;
  }

  /** The request that holds these events got its 200. */
  ack(first: number, count: number): void {
    for (let n = first; n < first + count; n++) this.#acked.add(n);
  }

  isAcked(number: number): boolean {
    return this.#acked.has(number);
  }

  /** Notes a broken promise. */
  fault(text: string): void {
    this.#faultCount++;
    if (this.#faults.length < SHOWN_FAULTS) {
      this.#faults.push(text.slice(0, SHOWN_CHARACTERS));
    }
  }

  /** The broken promises so far, the first of them in words. */
  protected get noted(): readonly string[] {
    const more = this.#faultCount - this.#faults.length;
    return more > 0 ? [...this.#faults, `and ${more} more`] : this.#faults;
  }

  /** The acked events that are not among these. */
  protected ackedWithout(isHere: (number: number) => boolean): number[] {
    return [...this.#acked].filter((number) => !isHere(number));
  }

  /** Faults what came at a connector before an earlier event of its producer. `numbers`: in the order of first arrival. */
  protected judgeProducers(connector: string, numbers: Iterable<number>): void {
    const last = new Map<number, number>();
    for (const number of numbers) {
      const sender = this.#senders[number] ?? -1;
      const before = last.get(sender) ?? -1;
      if (number < before) {
        this.fault(
          `${connector}: ${number} came behind ${before} of its producer`,
        );
      }
      last.set(sender, Math.max(number, before));
    }
  }
}
