/// All cases, in the order in which they are told.
package enum CheckCatalogue {
  package static let cases: [CheckCase] =
    StaticCases.all + OpenCases.all + NegotiationCases.all + LifecycleCases.all + ConfigurationCases.all
    + StateCases.all + ThreadCases.all + SwapCases.all + FaultCases.all

  /// The services that the scripted host plays; a plugin that requires another is not run.
  package static let playedServices = RoleTables.offered.keys.sorted()

  static func find(_ id: String) -> CheckCase? { cases.first { $0.id == id } }
}
