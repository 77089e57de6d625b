/** A connector in `GET /api/v1/status`, as campaigns read it. */

export interface StatusRow {
  readonly name: string;
  readonly state: string;
  readonly holder: string | null;
  readonly accepted: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly expired: number;
  readonly waiting: number;
  readonly difference: number;
}

/** Whether its books hold: what was accepted is somewhere. */
export function isBalanced(row: StatusRow): boolean {
  const { delivered, filtered, dead, discarded, expired, waiting } = row;
  const sum = delivered + filtered + dead + discarded + expired + waiting;
  return row.difference === 0 && row.accepted === sum;
}
