/// All cases, in the order in which they are told.
package enum CheckCatalogue {
  package static let cases: [CheckCase] =
    StaticCases.all + OpenCases.all + NegotiationCases.all + LifecycleCases.all + ConfigurationCases.all
    + StateCases.all + ThreadCases.all + SwapCases.all + FaultCases.all

  static func find(_ id: String) -> CheckCase? { cases.first { $0.id == id } }
}
