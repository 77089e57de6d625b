/** `deno task wasm`: compiles lib/json/escape_kernel.wat. `tests/lib/json/escape_kernel_test.ts` compares the outcome. */

import openWabt from "wabt";

const SOURCE = new URL("../../lib/json/escape_kernel.wat", import.meta.url);

/** The module that holds the kernel's bytes: where it is, and what it says. */
export async function kernelModule(): Promise<{ path: URL; text: string }> {
  const wabt = await openWabt();
  const module = wabt.parseWat(SOURCE.pathname, Deno.readTextFileSync(SOURCE));
  module.validate();
  const { buffer } = module.toBinary({});
  module.destroy();
  const lines = btoa(String.fromCharCode(...buffer)).match(/.{1,100}/g) ?? [];
  return {
    path: new URL("../../lib/json/escape_kernel_bytes.ts", import.meta.url),
    text:
      `// Made by \`deno task wasm\` from escape_kernel.wat. Not for editing.

/** The compiled kernel: WebAssembly in base64. */
export const ESCAPE_KERNEL = [
${lines.map((line) => `  "${line}",\n`).join("")}].join("");
`,
  };
}

if (import.meta.main) {
  const { path, text } = await kernelModule();
  Deno.writeTextFileSync(path, text);
}
