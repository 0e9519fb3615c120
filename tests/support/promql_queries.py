"""PromQL that is asked of a real Prometheus and of ours: each thing that is supported, at its edges."""

QUERIES = """
m_gauge
m_gauge{cluster="a"}
m_gauge{cluster!="a"}
m_gauge{cluster=~"a|b"}
m_gauge{cluster!~"a.*"}
m_gauge offset 3s
-m_gauge
rate(m_total[10s])
increase(m_total[10s])
irate(m_total[10s])
delta(m_gauge[10s])
idelta(m_gauge[10s])
deriv(m_gauge[10s])
rate(m_reset_total[12s])
increase(m_reset_total[12s] offset 2s)
resets(m_reset_total[12s])
changes(m_gauge[10s])
avg_over_time(m_gauge[8s])
min_over_time(m_gauge[8s])
max_over_time(m_gauge[8s])
sum_over_time(m_gauge[8s])
count_over_time(m_gauge[8s])
last_over_time(m_gauge[8s])
present_over_time(m_gauge[8s])
stddev_over_time(m_gauge[8s])
stdvar_over_time(m_gauge[8s])
quantile_over_time(0.9, m_gauge[8s])
abs(m_gauge - 5)
ceil(m_gauge)
floor(m_gauge)
round(m_gauge)
round(m_gauge, 0.5)
exp(m_gauge / 10)
ln(m_gauge + 1)
sqrt(m_gauge)
clamp(m_gauge, 2, 6)
clamp_min(m_gauge, 4)
clamp_max(m_gauge, 4)
histogram_quantile(0.5, m_bucket)
histogram_quantile(0.95, rate(m_bucket[10s]))
histogram_quantile(0.9, sum by (le) (rate(m_bucket[10s])))
absent(m_missing)
absent(m_missing{cluster="z"})
absent(m_gauge)
absent_over_time(m_missing{cluster="z"}[5s])
scalar(sum(m_gauge))
scalar(m_gauge)
vector(3)
label_replace(m_gauge, "area", "z-$1", "cluster", "(.*)")
sum(m_gauge)
sum by (cluster) (m_gauge)
sum without (cluster) (m_gauge)
avg(m_gauge)
min(m_gauge)
max(m_gauge)
count(m_gauge)
group(m_gauge)
stddev(m_gauge)
stdvar(m_gauge)
quantile(0.5, m_gauge)
topk(2, m_gauge)
bottomk(1, m_gauge)
m_gauge + 1
2 * m_gauge
m_gauge / 0
m_gauge % 3
m_gauge ^ 2
m_gauge + m_gauge
m_gauge > 4
4 < m_gauge
m_gauge > bool 4
m_gauge == m_gauge
m_gauge * on(cluster) group_left(tier) m_info
m_constant * on(cluster) m_info
m_gauge and m_info
m_gauge and on(cluster) m_info
m_gauge unless on(cluster) m_info
m_gauge or m_info
m_gauge > 2 and rate(m_total[10s]) > 0
sum(rate(m_total[5s])) == 0
1 + 2 * 3
1 > bool 2
(m_gauge)
rate((m_total[10s]))
m_gauge * on(cluster) group_left m_info
m_info * on(cluster) group_right m_gauge
m_gauge < on(cluster) group_left(tier) (m_info * 5)
m_gauge ^ -0.5
clamp(m_gauge - m_gauge / 0 * 0, 2, 6)
exp(m_gauge * 300)
round(m_gauge, 0)
min_over_time(m_odd[10s])
max_over_time(m_odd[10s])
sum_over_time(m_odd[10s])
avg_over_time(m_odd[10s])
changes(m_odd[10s])
quantile_over_time(0.5, m_odd[10s])
sum(m_odd)
min(m_odd)
max(m_odd)
avg(m_odd)
quantile(0.5, m_odd)
topk(1, m_gauge) by (cluster)
histogram_quantile(0, m_bucket)
histogram_quantile(1, m_bucket)
histogram_quantile(-1, m_gauge)
histogram_quantile(0.5, m_gauge)
absent(m_missing{cluster="z",cluster!="y"})
absent(sum(m_missing))
label_replace(m_gauge, "area", "${1}$$x$9", "cluster", "(a|b)")
label_replace(m_gauge, "cluster", "", "cluster", "a")
m_gone
m_gone offset 6s
count_over_time(m_gone[1m])
sum by (cluster, missing) (m_gauge)
scalar(m_missing) > bool 1
stddev(m_odd)
{__name__=~"m_g.*"}
m_gauge{cluster=""}
m_gauge{missing=""}
deriv(m_reset_total[9s])
idelta(m_reset_total[9s])
sort(m_gauge)
sort_desc(m_gauge)
time() - time()
sum(m_gauge) by (cluster) > 3 unless on() absent(m_total)
m_gauge offset -3s
m_gauge @ 1790000020
m_gauge @ start()
rate(m_total[10s] @ end() offset 5s)
rate(m_total[10s] offset -5s)
last_over_time(m_gauge[10s])
delta(m_late[30s])
predict_linear(m_gauge[20s], 60)
predict_linear(m_total[20s] offset 7s, 60)
predict_linear(m_constant[20s], 1)
predict_linear(m_odd[20s], 1)
predict_linear(m_once[1m], 1)
deriv(m_odd[20s])
deriv(m_constant[20s])
quantile_over_time(2, m_gauge[10s])
quantile_over_time(scalar(m_missing), m_gauge[10s])
sgn(m_odd)
log2(m_gauge)
log10(m_odd)
ln(m_odd)
timestamp(m_gauge)
timestamp((m_late))
timestamp(m_gauge offset 4s)
timestamp(m_gauge @ 1790000020)
timestamp(m_gauge + 0)
timestamp(m_gone)
time()
vector(time())
vector(scalar(m_missing))
label_join(m_gauge, "both", "-", "cluster", "zone", "missing")
label_join(m_gauge, "cluster", "", "zone", "cluster")
label_join(m_gauge, "missing", "", "missing")
label_join(m_gauge, "__name__", "_", "__name__", "zone")
label_join(m_gauge, "nothing", ",")
label_replace(m_gauge, "__name__", "x_$1", "zone", "(.*)")
max_over_time(m_gauge[10s:1s])
max_over_time(m_gauge[10s:3s])
count_over_time(m_gauge[10s:])
count_over_time(m_gone[1m:7s])
count_over_time(m_flapping[20s:1s])
avg_over_time(rate(m_total[5s])[20s:2s])
rate(m_total[20s:3s])
increase(m_reset_total[20s:3s] offset 5s)
deriv(sum by (cluster) (m_gauge)[20s:3s])
max_over_time((m_gauge > 4)[15s:1s])
sum_over_time(vector(time())[10s:3s])
last_over_time(m_gauge[10s:3s])
max_over_time(m_gauge[10s:3s] @ 1790000033.5)
max_over_time(m_gauge[10s:3s] @ start() offset 2s)
sum_over_time((m_gauge @ end())[10s:3s])
sum_over_time(sum_over_time(m_gauge[5s:1s])[10s:2s])
absent_over_time(m_missing{cluster="z"}[10s:1s])
absent_over_time(sum(m_gone)[10s:1s])
absent_over_time(m_gone[10s])
quantile_over_time(0.3, m_gauge[10s:1s])
predict_linear(m_gauge[20s:2s] offset 3s, 30)
present_over_time(m_once[30s:1s])
changes(m_flapping[30s])
resets(m_reset_total[30s:2s])
stddev_over_time(m_odd[10s])
stdvar_over_time(m_gauge[10s:2s])
histogram_quantile(0.371, m_open_bucket)
histogram_quantile(0.371, m_negative_bucket)
histogram_quantile(0.037, m_negative_bucket)
histogram_quantile(0.371, m_twice_bucket)
histogram_quantile(0.371, m_odd_bucket)
histogram_quantile(0.571, m_torn_bucket)
histogram_quantile(0.571, sum by (le) (m_torn_bucket))
histogram_quantile(scalar(m_missing), m_bucket)
histogram_quantile(0.371, sum by (le, cluster) (rate(m_bucket[20s])))
m_gauge - ignoring(zone) group_left m_constant
m_gauge - ignoring(zone) group_left(tier, missing) m_info
m_info + on(cluster) group_right(tier) m_gauge
m_constant >= bool on(cluster) m_info
m_gauge > bool on(cluster) group_left(tier) m_info
m_gauge == bool m_gauge
m_gauge != m_gauge
m_odd == m_odd
m_odd != m_odd
m_gauge >= 4
m_gauge <= 4
m_gauge != bool 4
4 >= bool m_gauge
m_gauge and ignoring(zone) m_info
m_gauge or on(cluster) m_constant
m_gauge unless ignoring(zone, tier) m_info
m_gauge or on() vector(1)
vector(1) unless on() m_gauge
m_missing + on() m_gauge
m_gauge % -3
m_gauge % 0
m_odd % 2
2 ^ m_odd
m_odd ^ 2
0 / m_gauge
m_odd / m_odd
+m_gauge
-m_odd
1 / 0
-1 / 0
5 % 3
2 ^ 3 ^ 2
sum without () (m_gauge)
sum by () (m_gauge)
sum(m_odd) by (zone)
avg(m_odd) by (zone)
topk(0, m_gauge)
topk(9, m_gauge)
topk(scalar(count(m_constant) or vector(1)), m_gauge)
bottomk(2, m_gauge) without (zone)
quantile(-1, m_gauge)
quantile(scalar(m_missing), m_gauge)
quantile by (zone) (0.75, m_odd)
stddev by (cluster) (m_gauge)
stdvar without (zone) (m_flapping)
count by (cluster) (m_flapping)
group by (zone) (m_odd)
clamp(m_gauge, 6, 2)
clamp(m_odd, -1, 1)
clamp_min(m_odd, 0)
clamp_max(m_gauge, scalar(m_missing))
abs(m_odd)
ceil(m_odd)
round(m_odd)
round(m_gauge, 0.1)
m_once
m_late
m_flapping
absent(m_once)
{cluster="a",__name__=~"m_(gauge|total)"}
m_gauge{cluster=~"[ab]",zone!="y"}
m_gauge{zone=~".+",missing!~".+"}
""".strip().splitlines()
"""What both sides answer, of the series in `promql_series.py`."""

REFUSED = """
m_gauge + on() m_total
m_info * on(tier) group_left m_gauge
m_gauge * on(cluster) m_info
m_gauge + on(cluster) m_gauge
m_gauge * on(cluster) group_left m_total
m_info * on(cluster) group_right(zone) m_gauge
m_gauge * on(cluster) group_left(zone) m_constant
rate({__name__=~"m_total|m_reset_total"}[10s])
label_replace(m_gauge, "zone", "", "cluster", ".*")
label_join(m_gauge, "zone", "", "missing")
topk(scalar(m_missing), m_gauge)
-{__name__=~"m_total|m_reset_total"}
sum_over_time({__name__=~"m_total|m_reset_total"}[10s:2s])
""".strip().splitlines()
"""What is an error on both sides."""

INSTANT_ONLY = ["predict_linear(m_total[20s] @ 1790000030, -10)"]
"""In a range query Prometheus 2.42 moves such a range along with the steps."""
