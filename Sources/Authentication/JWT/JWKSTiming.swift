/// How often the issuer's keys are looked at, and how long that may take.
package struct JWKSTiming: Sendable {
    /// Between two looks at a file.
    package var look = Duration.seconds(1)
    /// Between two fetches that succeed.
    package var refresh = Duration.seconds(300)
    /// Between two fetches for the sake of tokens whose key is not known.
    package var demand = Duration.seconds(30)
    /// For one fetch, from the connection to the last byte.
    package var timeout = Duration.seconds(5)
    /// After the first fetch that fails; every further failure doubles it, up to a minute.
    package var retry = Duration.seconds(1)
    /// For how long fetches may fail until the keys do not count any more.
    package var maximumAge = Duration.seconds(24 * 3_600)

    package init() {}
}
