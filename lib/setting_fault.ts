/** What a connector's settings ask for and cannot be had, found only when it is opened. */

/** Thrown by `ConnectorType.open`: a sentence for the operator, and the setting that it is about. */
export class SettingFault extends TypeError {
  /** @param key as in YAML: `client_certificate`, `proxy`. */
  constructor(readonly key: string, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
  }
}
