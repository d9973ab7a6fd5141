internal import NodeKit

/// What is counted of a trainer.
final class TrainerMeasures {
  let open: Gauge
  let samples: Counter
  private let trainings, validations, failures, cancelled: Counter
  private let seconds: Histogram
  private(set) var trained = 0
  private(set) var tried = 0
  private(set) var failed = 0
  private(set) var lastFailure = ""

  init(_ metrics: Metrics) {
    func tasks(_ outcome: String) -> Counter {
      metrics.counter("trainer_tasks_total", "Tasks that have ended.", labels: ["outcome": outcome])
    }
    (trainings, validations, failures, cancelled) =
      (tasks("trained"), tasks("validated"), tasks("failed"), tasks("cancelled"))
    open = metrics.gauge("trainer_tasks_open", "Tasks that are here: received, waiting, worked on or sent.")
    samples = metrics.counter("trainer_samples_total", "Samples of the data sets of trainings that have ended.")
    seconds = metrics.histogram(
      "trainer_training_seconds", "How long trainings took, from their turn to the update's end.",
      bounds: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000])
  }

  func ended(_ purpose: TrainingJob.Purpose, _ error: RoleError?, seconds took: Double) {
    switch (error, purpose) {
    case (nil, .train):
      trained += 1
      trainings.add()
      seconds.observe(took)
    case (nil, .validate):
      tried += 1
      validations.add()
    case (let error?, _) where error.status == .cancelled: cancelled.add()
    case (let error?, _):
      failed += 1
      lastFailure = error.description
      failures.add()
    }
  }
}
