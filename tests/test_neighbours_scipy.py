"""SciPy and Tensors: arguments, results, callbacks and sparse matrices."""

import importlib

import pytest

from tests.neighbours import check, rows

pytest.importorskip("scipy")

PROGRAMS = """
sp.special.erf(v) | sp.special.expit(v) * s | sp.special.logsumexp(x, axis=0) | sp.special.gamma(s) | sp.special.softmax(x, 1)
sp.linalg.inv(x[:, :3] + 5 * np.eye(3)) @ x | sp.linalg.eigh(x @ x.T)[0] | sp.linalg.solve(np.eye(3) * 2, x[:, 0]) | sp.linalg.expm(np.eye(2) * s)
sp.linalg.lu(x) | sp.linalg.svd(x)[1] | sp.linalg.norm(x) | sp.linalg.block_diag(x, x).shape | sp.linalg.toeplitz(v[:3])
sp.optimize.minimize(lambda p: ((p - v[:2]) ** 2).sum(), np.zeros(2)).x | sp.optimize.root(lambda p: p ** 2 - s, np.ones(1)).x
sp.optimize.curve_fit(lambda t, a, b: a * np.exp(-b * t), v, 2 * np.exp(-v))[0] | sp.optimize.brentq(lambda t: np.cos(t) - t, 0, 1)
sp.optimize.least_squares(lambda p: p * v - 2 * v, np.ones(1)).x | sp.optimize.linprog(-x[0], A_ub=np.eye(4), b_ub=np.ones(4)).x
sp.optimize.minimize(lambda p: (p ** 2).sum(), np.ones(3), jac=lambda p: 2 * p, method="BFGS").x | sp.optimize.nnls(x, x[:, 0])[0]
sp.integrate.quad(lambda t: np.sin(t) * s, 0, 1) | sp.integrate.solve_ivp(lambda t, y: -y * s, (0, 1), np.ones(2)).y[:, -1]
sp.integrate.trapezoid(v, dx=0.1) | sp.integrate.simpson(v, x=np.arange(7)) | sp.integrate.odeint(lambda y, t: -y, np.ones(1), v)
sp.integrate.cumulative_trapezoid(v) | sp.interpolate.interp1d(np.arange(7), v)(1.5) | sp.interpolate.CubicSpline(np.arange(7), v)(v)
sp.interpolate.griddata(x[:, :2], x[:, 2], x[:1, :2] + 0.0, method="nearest") | sp.interpolate.make_interp_spline(np.arange(7), v)(s / 2)
sp.stats.norm.pdf(v) | sp.stats.norm(loc=s).cdf(v) | sp.stats.linregress(np.arange(7), v).slope | sp.stats.pearsonr(v, v ** 2)[0]
sp.stats.ttest_ind(v, v + 1).statistic | sp.stats.zscore(x, axis=1) | sp.stats.describe(v).variance | sp.stats.mode(k % 3).mode
sp.stats.gaussian_kde(v)(v) | sp.stats.rankdata(v) | sp.stats.norm.rvs(size=3, random_state=np.random.default_rng(0))
sp.signal.convolve(v, v[:3]) | sp.signal.butter(2, 0.3) | sp.signal.lfilter([1.0], [1.0, 0.5], v) | sp.signal.find_peaks(np.sin(v * 9))[0]
sp.signal.welch(np.sin(np.arange(64.0)), nperseg=16)[1].round(12) | sp.signal.savgol_filter(v, 5, 2) | sp.signal.resample(v, 4)
sp.ndimage.gaussian_filter(x, 1) | sp.ndimage.label(x > 3)[1] | sp.ndimage.zoom(x, 2) | sp.ndimage.convolve(x, np.ones((3, 3)))
sp.ndimage.binary_dilation(x > 6) | sp.ndimage.map_coordinates(x, np.ones((2, 1))) | sp.ndimage.center_of_mass(x) | sp.fft.dct(v)
sp.fft.fft(v) | sp.fft.rfft2(x) | sp.fft.next_fast_len(int(s)) | sp.spatial.distance.cdist(x, x) | sp.spatial.cKDTree(x).query(x[0])
sp.spatial.distance.pdist(x, lambda a, b: np.abs(a - b).sum()) | sp.spatial.ConvexHull(x[:, :2] ** 2 + np.eye(3)[:, :2]).volume
sp.sparse.csr_matrix(x > 6).toarray() | sp.sparse.coo_matrix((v, (np.arange(7), np.arange(7)))).toarray() | sp.sparse.csr_array(x) @ x[0]
sp.sparse.diags(v).toarray() | sp.sparse.csr_array(x) * s | (sp.sparse.csr_array(x) @ x.T)[0] | x @ sp.sparse.csr_array(x.T) | sp.sparse.eye(3) @ x
sp.sparse.linalg.spsolve(sp.sparse.csc_matrix(np.eye(3) * 2), x[:, 0]) | sp.sparse.linalg.cg(np.eye(3) * 2, x[:, 0])[0]
sp.sparse.linalg.LinearOperator((3, 3), matvec=lambda u: u * s, dtype=float) @ x[:, 0] | sp.sparse.csr_array(x)[x[:, 0] > 2].toarray()
sp.cluster.hierarchy.linkage(x, "ward") | sp.io.savemat(b := io.BytesIO(), {"x": x}); b.seek(0); sp.io.loadmat(b)["x"]
"""  # noqa: E501

ROOMS = """special linalg optimize integrate interpolate stats signal ndimage fft spatial sparse sparse.linalg
cluster.hierarchy io""".split()


@pytest.mark.parametrize("program", rows(PROGRAMS))
def test_gives_what_numpys_arrays_give(program):
    for name in ROOMS:
        importlib.import_module(f"scipy.{name}")
    check(program, sp="scipy", io="io")
