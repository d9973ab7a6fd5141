import HostCore

extension CommandTable {
  static let canary = Command(
    name: "canary", summary: "Roll a version of a service out, and look at how that goes",
    discussion: """
      start gives VERSION its share step by step. Each step lasts as long as --every says, and goes on when VERSION \
      has had enough requests and no metric leans to failing; when chance is ruled out that VERSION is as good as it \
      must be and as the stable version is, it gets no more requests at once. Whichever node leads decides, on what \
      all nodes count, and all nodes change together.

      A metric is error_rate<1%, p99<250ms, error_rate<baseline*1.5, "prometheus(URL, QUERY)<0.5" or "webhook(URL)".

      watch shows it until it is over, and fails if VERSION was rolled back. promote takes the next step now, \
      with --all the whole. set changes shares by hand: v1=90 v2=10.
      """,
    arguments: [
      Argument(
        "ACTION", help: "start, status, watch, promote, pause, resume, abort, set or history",
        completion: .words(CanaryCommand.Action.allCases.map(\.rawValue))),
      Argument("WORD", .any, help: "For start the version, for set VERSION=PERCENT"),
    ],
    options: [
      Option(long: "steps", value: "LIST", help: "Per cents between commas; 1,5,25,50,100 if not given"),
      Option(long: "every", value: "TIME", help: "How long a step lasts at least: 30s, 5m, 1h; 5m if not given"),
      Option(long: "metric", value: "METRIC", help: "What VERSION must keep to", repeatable: true),
      Option(long: "min-samples", value: "COUNT", help: "Requests that a step takes at least; 100 if not given"),
      Option(long: "alpha", value: "CHANCE", help: "That a good version is rolled back; 1% if not given"),
      Option(long: "inconclusive", value: "TIME", help: "Pause when a step is so late; 10 steps if not given"),
      Option(long: "cooldown", value: "TIME", help: "After a rollback no rollout begins for so long"),
      Option(long: "url", value: "URL", help: "Where VERSION answers, for start"),
      Option(long: "all", help: "promote: VERSION gets all requests now"),
      Option(long: "why", value: "WORDS", help: "Stands in the history"),
      Option(long: "watch", help: "status: as watch"),
      Option(long: "limit", value: "COUNT", help: "Decisions that history shows; 20 if not given"),
      Option(long: "stable", value: "VERSION", help: "set: the version that others are compared with"),
      Option(long: "add", value: "VERSION[=URL]", help: "set: a new version, or another URL", repeatable: true),
      Option(long: "remove", value: "VERSION", help: "set: a version that gets no requests", repeatable: true),
      Option(long: "sticky", value: "KEY", help: "set: header:NAME, cookie:NAME, member:NAME, source or none"),
      Option(long: "mirror", value: "URL", help: "set: copies of requests go there too, and are compared; or none"),
      Option(long: "mirror-percent", value: "PERCENT", help: "set: of so many requests; 100 if not given"),
      Option(
        long: "freeze", value: "WINDOW", help: "set: no share grows in \"Fri 16:00-Mon 08:00\", UTC; or none",
        repeatable: true),
      Option(long: "role", value: "NAME", help: "The role's name; canary if not given"),
    ],
    examples: [
      Named(
        "hostctl canary start v2 --steps 1,5,25,50,100 --every 5m --metric 'error_rate<1%' --metric 'p99<250ms'",
        "In five steps"),
      Named("hostctl canary set v1=90 v2=10 --why 'a first look'", "Shares by hand"),
    ])
}
