/** GitHub's audit log, by API and by stream. https://docs.github.com/organizations/keeping-your-organization-secure/managing-security-settings-for-your-organization/audit-log-events-for-your-organization */

import { chooseByVerb, has, oneOf, says } from "../choices.ts";
import { either, text } from "../leaves.ts";
import type { Profile } from "../profile.ts";
import { caller, product, unknown } from "./words.ts";

export const gitHubAudit: Profile = {
  name: "github audit",
  when: [
    has("action", "actor"),
    oneOf(
      has("org"),
      has("repo"),
      has("repository"),
      has("business"),
      has("_document_id"),
      has("programmatic_access_type"),
    ),
    says("action", "actor"),
  ],
  product: product("GitHub", "Audit Log"),
  classUid: 6003,
  activity: chooseByVerb("action", {
    create: 1,
    add: 1,
    invite: 1,
    clone: 2,
    fetch: 2,
    download: 2,
    update: 3,
    enable: 3,
    disable: 3,
    enabled: 3,
    disabled: 3,
    push: 3,
    rename: 3,
    transfer: 3,
    archived: 3,
    access: 3,
    set: 3,
    destroy: 4,
    delete: 4,
    remove: 4,
  }, 99),
  activityName: text("action"),
  time: ["@timestamp", "created_at", "at_sign_timestamp"],
  metadata: { event_code: text("action") },
  attributes: {
    actor: {
      user: {
        name: either(text("actor"), unknown),
        uid: text("actor_id"),
        org: { name: text("org", "business"), uid: text("org_id") },
      },
    },
    api: {
      operation: text("action"),
      request: { uid: text("request_id", "_document_id") },
    },
    src_endpoint: caller("actor_ip"),
    http_request: { user_agent: text("user_agent") },
    resources: [{
      name: text("repo", "repository", "team", "user"),
      uid: text("repo_id"),
    }],
  },
};
