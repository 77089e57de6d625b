/**
 * The token that Deno Deploy issues to the program itself (https://docs.deno.com/deploy/reference/oidc). Unproven here:
 * neither the platform nor its package can be reached from where this was written.
 */

/** Named at run time: nothing else needs it, and it exists on the platform only. */
const PACKAGE = "jsr:@deno/oidc";

/** What asks for a token with this audience; undefined where we do not run on Deno Deploy. */
export function platformToken(
  env: Readonly<Record<string, string>>,
): ((audience: string) => Promise<string>) | undefined {
  if (env["DENO_DEPLOYMENT_ID"] === undefined) return undefined;
  return async (audience) => {
    const { getIdToken }: {
      getIdToken?: (audience: string) => Promise<string>;
    } = await import(PACKAGE);
    if (getIdToken === undefined) {
      throw new Error("the platform's package offers no getIdToken.");
    }
    return await getIdToken(audience);
  };
}
